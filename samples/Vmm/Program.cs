using System;
using System.IO;
using System.Text;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Samples.Vmm;

if (args is not [{ Length: > 0 } root, { Length: > 0 } name])
{
    Console.Error.WriteLine("usage: Vmm DIRECTORY FILE, where FILE is a name in DIRECTORY");
    return 2;
}

try
{
    using var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = root });
    using var machine = new Machine(fs);

    // What Linux does in a guest behind `mount -t virtiofs` and `cat`: requests of linux/fuse.h.
    const uint lookup = 1, open = 14, read = 15, init = 26, rootNode = 1, size = Driver.MaxData;
    var guest = new Driver(machine);
    guest.Ask(init, 0, [7u, 31u, 0u, 0u]); // version 7.31, no read-ahead, no flags
    ulong node = BitConverter.ToUInt64(guest.Ask(lookup, rootNode, [], Encoding.UTF8.GetBytes(name + '\0')));
    byte[] opened = guest.Ask(open, node, [0u, 0u]);
    uint low = BitConverter.ToUInt32(opened), high = BitConverter.ToUInt32(opened, 4); // the handle
    byte[] content;
    for (uint at = 0; (content = guest.Ask(read, node, [low, high, at, 0u, size, 0u, 0u, 0u, 0u, 0u])).Length > 0;)
    {
        Console.OpenStandardOutput().Write(content);
        at += (uint)content.Length;
    }

    return 0; // without a RELEASE: the machine's end closes what is open
}
catch (IOException e)
{
    Console.Error.WriteLine($"Vmm: {name} in {root}: {e.Message}");
    return 1;
}
