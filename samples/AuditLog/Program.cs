using System;
using AuditLog;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Fuse;

if (args is not [{ Length: > 0 } source, { Length: > 0 } mountPoint])
{
    Console.Error.WriteLine("usage: AuditLog DIRECTORY MOUNTPOINT");
    return 2;
}

try
{
    using var files = new PassthroughFileSystem(new PassthroughConfig { RootDir = source });
    await using FuseMount mount = FuseMount.Start(new AuditedFileSystem(files, Console.Out), mountPoint);
    await mount.Completion;
    return 0;
}
catch (Exception e) when (e is FuseMountException or ArgumentException)
{
    Console.Error.WriteLine($"AuditLog: {e.Message}");
    return 1;
}
