using System.Collections.Generic;

namespace PassthroughFs.Shared;

/// <summary>
/// Descriptors 0 to 2, which whoever starts a program may have closed. Then what the program opens first would be its
/// standard output or its standard error: a log's lines would go into a served file, or into a pipe of the runtime's.
/// </summary>
internal static unsafe class StandardDescriptors
{
    private const int Last = 2;

    /// <summary>
    /// Opens /dev/null in the place of those that are closed. To be called first of all. What the runtime has opened in
    /// their place by then cannot be taken from it: the program starts anew.
    /// </summary>
    public static void Complete()
    {
        // What came over execve(2) is not close-on-exec, and what the runtime opens is.
        var taken = new List<int>();
        fixed (byte* path = Libc.CString("/dev/null"))
        {
            for (int fd = 0; fd <= Last; fd++)
            {
                int flags = Libc.fcntl(fd, Libc.F_GETFD, 0);
                if (flags < 0)
                {
                    _ = Libc.open(path, Libc.O_RDWR); // SAFETY: a C string. The lowest number that is free is this one.
                }
                else if ((flags & Libc.FD_CLOEXEC) != 0)
                {
                    taken.Add(fd);
                }
            }

            if (taken.Count > 0)
            {
                StartAnew(path, taken);
            }
        }
    }

    private static void StartAnew(byte* nullDevice, List<int> taken)
    {
        int fd = Libc.open(nullDevice, Libc.O_RDWR | Libc.O_CLOEXEC);
        if (fd < 0 || OwnProgram.Find() is not { } program)
        {
            // Without /proc nobody can tell how the program was started; it will say itself what it lacks.
            return;
        }

        byte** argv = Libc.CStrings(program.Arguments);
        byte** envp = Libc.CStrings(program.Environment);
        fixed (byte* file = Libc.CString(program.Path))
        {
            foreach (int number in taken)
            {
                _ = Libc.dup2(fd, number);
            }

            // SAFETY: C strings, and lists of them that end with a null pointer. From here on the runtime has lost what
            // it had open: it must not run on.
            _ = Libc.execve(file, argv, envp);
            Libc._exit(1);
        }
    }
}
