/* What no program of the shell does: shared mappings and locks. The exit code says which step failed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 65536

/* Writes a file through a shared mapping, and checks it by read(2) and by a private mapping. */
static int map(const char *path)
{
    static char bytes[SIZE];
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || ftruncate(fd, SIZE) != 0)
        return 10;
    char *map = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return 11;
    for (int i = 0; i < SIZE; i++)
        map[i] = (char)(i * 7 + i / 256);
    if (msync(map, SIZE, MS_SYNC) != 0 || munmap(map, SIZE) != 0)
        return 12;
    if (pread(fd, bytes, SIZE, 0) != SIZE)
        return 13;
    map = mmap(0, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
    return map != MAP_FAILED && memcmp(map, bytes, SIZE) == 0 && bytes[1000] == (char)(7000 + 3) ? 0 : 14;
}

/* Two descriptors of one file contend for it. */
static int lock(const char *path)
{
    int one = open(path, O_RDWR | O_CREAT, 0644), two = open(path, O_RDWR);
    struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
    if (one < 0 || two < 0 || flock(one, LOCK_EX | LOCK_NB) != 0)
        return 20;
    if (flock(two, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return 21;
    if (flock(one, LOCK_UN) != 0 || flock(two, LOCK_EX | LOCK_NB) != 0)
        return 22;
    if (fcntl(one, F_OFD_SETLK, &range) != 0)
        return 23;
    if (fcntl(two, F_OFD_SETLK, &range) == 0 || (errno != EAGAIN && errno != EACCES))
        return 24;
    return 0;
}

int main(int argc, char **argv)
{
    int failed = argc == 3 ? map(argv[1]) : 1;
    return failed ? failed : lock(argv[2]);
}
