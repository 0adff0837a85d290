using System;
using System.Linq;
using System.Text;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

if (args is not [{ Length: > 0 } root, string path])
{
    Console.Error.WriteLine("usage: InProcess DIRECTORY FILE, where FILE is a path inside of DIRECTORY");
    return 2;
}

// The library without a transport: what a mount would ask for, asked for by calls. Each lookup and each open is
// counted; disposing gives all of them back.
using var fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = root });
var me = new RequestContext { Pid = (uint)Environment.ProcessId };
byte[] content = new byte[4096];
var list = new DirectoryList();

// Operations answer an errno and never throw.
Errno error = Errno.OK;
if (Ok(fs.Import())
    && Ok(fs.LookupPath(me, path, out Entry file))
    && Ok(fs.Open(me, file.Node, Linux.O_RDONLY, OpenRequestFlags.None, out OpenReply opened))
    && Ok(fs.Read(me, file.Node, opened.Handle, 0, content, out int length))
    && Ok(fs.OpenDir(me, NodeId.Root, Linux.O_RDONLY, out OpenReply directory))
    && Ok(fs.ReadDir(me, NodeId.Root, directory.Handle, 0, list)))
{
    Console.WriteLine($"{path}: node {file.Node}, {file.Attributes.Size} bytes, beginning with");
    Console.WriteLine(Encoding.UTF8.GetString(content, 0, length));
    Console.WriteLine($"{root}: {string.Join(", ", list.Items.Select(item => item.Name))}");
    return 0;
}

Console.Error.WriteLine($"InProcess: {path} in {root}: {error}");
return 1;

bool Ok(Errno result) => (error = result) == Errno.OK;
