using System;
using System.IO;

namespace PassthroughFs.Core.Passthrough;

/// <summary>The process's umask, without the moment of another umask that asking the system call would cost.</summary>
internal static class ProcessUmask
{
    /// <param name="known">What it was when it was last read: taken for true where it cannot be read now.</param>
    public static uint Read(uint known)
    {
        try
        {
            foreach (string line in File.ReadLines("/proc/self/status"))
            {
                if (line.StartsWith("Umask:", StringComparison.Ordinal))
                {
                    return Convert.ToUInt32(line["Umask:".Length..].Trim(), 8);
                }
            }
        }
        catch (IOException)
        {
            // No descriptor is left. A DESTROY comes here too, and must not end in an exception.
        }

        return known;
    }
}
