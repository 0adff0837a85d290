using System;
using System.Globalization;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <remarks>What is replaced by rename, whole files that are kept open, and times.</remarks>
internal sealed partial class Actor
{
    private const int MaxFileBlocks = 24;

    private void Replace(Area area)
    {
        int which = _random.Next(area.Versions.Length);
        Register register = area.Versions[which];
        long id = Area.NewId();
        string made = Temporary(area);
        if (which == 2)
        {
            _ = Ok(Calls.Symlink(Target(id), made), "symlink");
        }
        else
        {
            MakeFile(made, id);
        }

        Change change = register.Begin(id);
        _ = Ok(Calls.Rename(made, At(register.Name)), "rename");
        register.End(change);
    }

    private void ReadVersion(Area area)
    {
        int which = _random.Next(area.Versions.Length);
        Register register = area.Versions[which];
        Look look = Begin(register);
        if (which == 2)
        {
            _ = OkOrGone(Calls.ReadLink(At(register.Name), out string target), "readlink");
            if (target.Length == 0 && _round.MayBeGone)
            {
                return;
            }

            Judge(register.Judge(look, IdOf(target)));
            return;
        }

        int fd = OkOrGone(
            Calls.Open(At(register.Name), Chance(70) ? Linux.O_RDONLY : Linux.O_RDWR), $"open {register.Name}");
        bool isKept = false;
        try
        {
            Judge(ReadWhole(fd, out long file));
            Judge(register.Judge(look, file));
            isKept = Keep(fd, file);
        }
        finally
        {
            if (!isKept)
            {
                Calls.Close(fd);
            }
        }
    }

    private void ReadKept(Area area)
    {
        if (_kept.Count == 0)
        {
            return;
        }

        int at = _random.Next(_kept.Count);
        (int fd, long file) = _kept[at];
        Judge(ReadWhole(fd, out long found));
        if (found != file)
        {
            throw Violation($"what was opened as file {file:x} has become {found:x}");
        }

        if (Chance(30))
        {
            Calls.Close(fd);
            _kept.RemoveAt(at);
        }
    }

    private void SetTime(Area area)
    {
        long seconds = Area.NewId();
        Change change = area.Times.Begin(seconds);
        _ = Ok(Calls.SetModified(At(area.Times.Name), seconds), "utimensat");
        area.Times.End(change);
    }

    private void ReadTime(Area area)
    {
        Look look = Begin(area.Times);
        _ = Ok(Calls.Stat(At(area.Times.Name), out Status status), "stat");
        Judge(area.Times.Judge(look, status.Modified));
    }

    public static string Target(long id) => string.Create(CultureInfo.InvariantCulture, $"target {id}");

    public static long IdOf(string target) => long.Parse(target["target ".Length..], CultureInfo.InvariantCulture);

    /// <summary>Makes a file that no other actor knows of yet.</summary>
    private void MakeFile(string path, long id)
    {
        int fd = Ok(Calls.Open(path, Linux.O_WRONLY | Linux.O_CREAT | Linux.O_EXCL), "create");
        try
        {
            WriteWhole(fd, id);
            if (Chance(10))
            {
                _ = Ok(Calls.Sync(fd, false), "fsync");
            }
        }
        finally
        {
            Calls.Close(fd);
        }
    }

    private void WriteWhole(int fd, long id)
    {
        Span<byte> bytes = _buffer.AsSpan(0, WholeFile(_buffer, id, 1 + _random.Next(MaxFileBlocks)));
        int written = Ok(Calls.Write(fd, bytes), "write");
        if (written != bytes.Length)
        {
            throw Violation($"write of {bytes.Length} bytes wrote {written}");
        }
    }

    /// <summary>The content of a file that is written once; its length.</summary>
    public static int WholeFile(Span<byte> bytes, long id, int blocks)
    {
        for (int i = 0; i < blocks; i++)
        {
            Content.Fill(bytes.Slice(i * Size, Size), new BlockId(id, i, blocks));
        }

        return blocks * Size;
    }

    /// <summary>Reads a file that is written once, and checks that it is of one piece; 0 if it is empty.</summary>
    private string? ReadWhole(int fd, out long file)
    {
        file = 0;
        int length = 0;
        int piece = 1 << _random.Next(9, 15);
        while (true)
        {
            int count = OkOrGone(Calls.PRead(fd, _buffer.AsSpan(length, piece), length), $"read at {length}");
            if (count == 0)
            {
                break;
            }

            length += count;
            if (length > MaxFileBlocks * Size)
            {
                return "a file that is too long";
            }
        }

        return length == 0 ? null : JudgeWhole(_buffer.AsSpan(0, length), out file);
    }

    public static string? JudgeWhole(ReadOnlySpan<byte> bytes, out long file)
    {
        file = 0;
        for (int i = 0; i * Size < bytes.Length; i++)
        {
            ReadOnlySpan<byte> block = bytes[(i * Size)..];
            if (block.Length < Size || !Content.TryRead(block[..Size], out BlockId id))
            {
                return $"block {i} of {bytes.Length} bytes: " +
                    (block.Length < Size ? "short" : Content.Describe(block[..Size]));
            }

            file = i == 0 ? id.File : file;
            if (id.File != file || id.Index != i || id.Value * Size != bytes.Length)
            {
                return $"block {i} of {bytes.Length} bytes of file {file:x} is {id}";
            }
        }

        return null;
    }

    private bool Keep(int fd, long file)
    {
        if (_kept.Count == MaxKept || !Chance(50))
        {
            return false;
        }

        _kept.Add((fd, file));
        return true;
    }
}
