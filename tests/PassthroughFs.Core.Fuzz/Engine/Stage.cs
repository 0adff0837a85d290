using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>
/// A directory to serve and, beside it, one that no request may touch: made anew for each case, on a small file system of
/// its own where the machine lets us.
/// </summary>
internal sealed class Stage : IDisposable
{
    private const int MaxDepth = 64;

    private readonly string _path;
    private readonly bool _isMounted;
    private readonly Dictionary<string, FileState> _outside = [];
    private readonly byte[] _listing = new byte[16384];

    public Stage()
    {
        string shm = "/dev/shm";
        _path = Path.Combine(Directory.Exists(shm) ? shm : Path.GetTempPath(), $"ptfs-fuzz-{Guid.NewGuid():N}");
        Directory.CreateDirectory(_path);
        _isMounted = Native.IsRoot && Native.TryMountTmpfs(_path, "size=24m,nr_inodes=8000,mode=755");
        Root = Path.Combine(_path, "root");
        Outside = Path.Combine(_path, "outside");
        Directory.CreateDirectory(Root);
        SpendInos();
        MakeOutside();
    }

    /// <summary>The directory to serve.</summary>
    public string Root { get; }

    /// <summary>The directory beside it.</summary>
    public string Outside { get; }

    /// <summary>Whether a client may fill the file system that all this is on.</summary>
    public bool MayFill => _isMounted;

    /// <summary>The host's numbers of what lies outside of the root.</summary>
    public ulong[] OutsideInos => [.. _outside.Values.Select(state => state.Ino).Where(ino => ino > 1)];

    /// <summary>Makes the directory as it is at the start of each case.</summary>
    public void Reset()
    {
        int root = Native.OpenDirectory(Root);
        RemoveContent(root, 0);
        Native.Close(root);
        Native.Chmod(Root, 0x1ED);
        Native.Chown(Root, Native.Self.Uid, Native.Self.Gid);
        File.WriteAllText(At("a.txt"), "content of a\n");
        Native.TrySetXattr(At("a.txt"), "user.x", "a value"u8);
        byte[] bin = new byte[9000];
        for (int i = 0; i < bin.Length; i++)
        {
            bin[i] = (byte)(i % 127);
        }

        File.WriteAllBytes(At("b.bin"), bin);
        File.WriteAllBytes(At("empty"), []);
        using (FileStream sparse = File.Create(At("sparse")))
        {
            sparse.Position = 300_000;
            sparse.Write("behind a hole"u8);
        }

        Directory.CreateDirectory(At("d/sub"));
        Directory.CreateDirectory(At("e"));
        File.WriteAllText(At("d/x"), "x");
        File.WriteAllText(At("d/y"), "y");
        File.WriteAllText(At("d/sub/z"), "z");
        File.WriteAllText(At("h1"), "two names");
        Native.HardLink(At("h1"), At("h2"));
        File.CreateSymbolicLink(At("link"), "a.txt");
        File.CreateSymbolicLink(At("out"), "../outside/secret");
        File.CreateSymbolicLink(At("abs"), Path.Combine(Outside, "secret"));
        Directory.CreateSymbolicLink(At("dirlink"), "../outside");
        Native.Make(At("fifo"), 0x1000 | 0x1B4);
        Native.Make(At("sock"), 0xC000 | 0x1B4);
        File.WriteAllText(At("suid"), "set-id");
        Native.Chown(At("suid"), Native.IsRoot ? 1000 : Native.Self.Uid, Native.IsRoot ? 1000 : Native.Self.Gid);
        Native.Chmod(At("suid"), 0xDED);
        File.WriteAllText(At(new string('x', 255)), "a long name");
        Directory.CreateDirectory(At("many"));
        for (int i = 0; i < 24; i++)
        {
            Native.Make(At($"many/m{i}"), 0x8000 | 0x1A4);
        }

        if (_isMounted)
        {
            Native.Make(At("null"), 0x2000 | 0x1B6, 0x103);
        }

        string At(string name) => Path.Combine(Root, name);
    }

    /// <summary>Nothing outside of the root has changed.</summary>
    /// <exception cref="FindingException">Something has.</exception>
    public void CheckOutside()
    {
        foreach ((string path, FileState state) in _outside)
        {
            FileState now = Native.StateOf(path);
            if (now != state)
            {
                throw new FindingException("sentinel", $"{path} was {state} and is {now}");
            }
        }
    }

    /// <summary>Calls back for everything below the root.</summary>
    public void Walk(Action<FileState> visit)
    {
        int root = Native.OpenDirectory(Root);
        Walk(root, visit, 0);
        Native.Close(root);
    }

    public void Dispose()
    {
        if (_isMounted)
        {
            Native.Unmount(_path);
        }
        else
        {
            int root = Native.OpenDirectory(Root);
            RemoveContent(root, 0);
            Native.Close(root);
        }

        Directory.Delete(_path, recursive: true);
    }

    /// <summary>Numbers of files begin with 1, as those of a Vfs's own directories do: what lies outside gets others.</summary>
    private void SpendInos()
    {
        for (int i = 0; i < 1000; i++)
        {
            File.WriteAllBytes(Path.Combine(_path, "spent"), []);
            File.Delete(Path.Combine(_path, "spent"));
        }
    }

    private void MakeOutside()
    {
        Directory.CreateDirectory(Path.Combine(Outside, "dir"));
        byte[] secret = new byte[5000];
        Array.Fill(secret, Poison.Secret);
        foreach (string name in new[] { "secret", "dir/secret" })
        {
            File.WriteAllBytes(Path.Combine(Outside, name), secret);
        }

        foreach (string path in new[] { _path, Outside, $"{Outside}/dir", $"{Outside}/secret", $"{Outside}/dir/secret" })
        {
            _outside[path] = Native.StateOf(path);
        }
    }

    private void Walk(int directory, Action<FileState> visit, int depth)
    {
        foreach ((byte[] name, bool isDirectory) in List(directory))
        {
            visit(Native.StateOf(directory, name));
            if (isDirectory && depth < MaxDepth)
            {
                int inner = Native.OpenDirectory(directory, name);
                Walk(inner, visit, depth + 1);
                Native.Close(inner);
            }
        }
    }

    private void RemoveContent(int directory, int depth)
    {
        foreach ((byte[] name, bool isDirectory) in List(directory))
        {
            if (!isDirectory)
            {
                _ = Native.Remove(directory, name, 0);
                continue;
            }

            if (Native.Remove(directory, name, Native.AT_REMOVEDIR) != 0 && depth < 4000)
            {
                Native.Chmod(directory, name, 0x1C0);
                int inner = Native.OpenDirectory(directory, name);
                RemoveContent(inner, depth + 1);
                Native.Close(inner);
                _ = Native.Remove(directory, name, Native.AT_REMOVEDIR);
            }
        }
    }

    private List<(byte[] Name, bool IsDirectory)> List(int directory)
    {
        var result = new List<(byte[] Name, bool IsDirectory)>();
        while (true)
        {
            int length = Native.ListDirectory(directory, _listing);
            if (length <= 0)
            {
                return result;
            }

            for (int at = 0; at < length;)
            {
                int record = BinaryPrimitives.ReadUInt16LittleEndian(_listing.AsSpan(at + 16));
                ReadOnlySpan<byte> name = _listing.AsSpan(at + 19, record - 19);
                name = name[..(name.IndexOf((byte)0) + 1)];
                if (!name.SequenceEqual(".\0"u8) && !name.SequenceEqual("..\0"u8))
                {
                    result.Add((name.ToArray(), _listing[at + 18] == 4));
                }

                at += record;
            }
        }
    }
}
