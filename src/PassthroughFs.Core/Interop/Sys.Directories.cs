namespace PassthroughFs.Core.Interop;

internal static unsafe partial class Sys
{
    /// <summary>Returns how many bytes of records were put into buffer; 0 at the end.</summary>
    public static int Getdents64(int fd, byte* buffer, int size) =>
        (int)Result(syscall(IsArm64 ? 61 : 217, fd, (nint)buffer, size, 0, 0, 0));
}
