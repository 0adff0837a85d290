using System;
using System.IO;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

// The library without a transport: what a mount would ask for, asked for by calls.
if (args is not [string root, string path])
{
    Console.Error.WriteLine("usage: InProcess DIRECTORY FILE, where FILE is a path inside of DIRECTORY");
    return 2;
}

try
{
    // A file system over a directory. INIT would import its root; nobody sends one here.
    using var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = root });
    Check(fs.Import(), $"cannot serve {root}");

    // Who asks; a mount's client says so in each request.
    var me = new RequestContext { Pid = (uint)Environment.ProcessId };

    // From a path to a node. Each lookup is counted: the node is ours until it is forgotten.
    Check(fs.LookupPath(me, path, out Entry file), $"no {path} in {root}");
    Check(fs.Open(me, file.Node, Linux.O_RDONLY, OpenRequestFlags.None, out OpenReply open), $"cannot open {path}");
    byte[] content = new byte[Math.Min(file.Attributes.Size, 1 << 20)];
    Check(fs.Read(me, file.Node, open.Handle, 0, content, out int length), $"cannot read {path}");
    fs.Release(me, file.Node, open.Handle, default);
    fs.Forget(me, file.Node, 1);

    // The same for the directory it is in. A sink that is never full gets all entries at once.
    string parent = Path.GetDirectoryName(path) ?? "";
    var list = new DirectoryList();
    Check(fs.LookupPath(me, parent, out Entry directory), $"no {parent} in {root}");
    Check(fs.OpenDir(me, directory.Node, Linux.O_RDONLY, out open), $"cannot open the directory of {path}");
    Check(fs.ReadDir(me, directory.Node, open.Handle, 0, list), $"cannot list the directory of {path}");
    fs.ReleaseDir(me, directory.Node, open.Handle, 0);
    fs.Forget(me, directory.Node, 1);

    Console.WriteLine($"{path} is node {file.Node.Value}, {file.Attributes.Size} bytes; in its directory:");
    foreach (DirectoryList.Item item in list.Items)
    {
        Console.WriteLine($"  {item.Name}");
    }

    using Stream output = Console.OpenStandardOutput();
    output.Write(content, 0, length);
    return 0;
}
catch (Exception e) when (e is IOException or ArgumentException)
{
    Console.Error.WriteLine($"InProcess: {e.Message}");
    return 1;
}

// Operations answer an errno and never throw; this sample turns it into its one kind of error.
static void Check(Errno error, string failure)
{
    if (error != Errno.OK)
    {
        throw new IOException($"{failure}: {error}");
    }
}
