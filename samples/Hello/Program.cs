using System;
using Hello;
using PassthroughFs.Fuse;


if (args is not [{ Length: > 0 } mountPoint])
{
    Console.Error.WriteLine("usage: Hello MOUNTPOINT");
    return 2;
}

try
{
    await using FuseMount mount = FuseMount.Start(new MemoryFileSystem(), mountPoint);
    Console.WriteLine($"mounted at {mount.MountPoint}, until Ctrl+C or umount");
    await mount.Completion;
    return 0;
}
catch (FuseMountException e)
{
    Console.Error.WriteLine($"Hello: {e.Message}");
    return 1;
}
