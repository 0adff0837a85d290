using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <remarks>What has to be there when all are done, and that it is the same from every side.</remarks>
internal sealed partial class Round
{
    private void JudgeRest(Side side)
    {
        byte[] buffer = new byte[1 << 16];
        foreach (Area area in Areas)
        {
            foreach (Log log in area.Logs)
            {
                using var reader = new LogReader(log, Must(Calls.Open(Path(log.Name), Linux.O_RDONLY)), Actors);
                Note(reader.ReadOn(buffer, log.Acknowledged(), isWhole: true));
            }

            foreach (DataFile file in area.Files)
            {
                byte[] bytes = File.ReadAllBytes(Path(file.Name));
                for (int i = 0; i < DataFile.Blocks; i++)
                {
                    JudgeBlock(file, i, bytes.AsSpan(Math.Min(bytes.Length, i * Content.BlockSize)));
                }
            }

            foreach (LockFile file in area.Locks)
            {
                long count = BitConverter.ToInt64(File.ReadAllBytes(Path(file.Name)));
                Note(count == file.Count ? null : $"{file.Name} counts {count}, where {file.Count} were counted");
            }

            foreach (Register version in area.Versions[..2])
            {
                Look look = version.Look();
                Note(Actor.JudgeWhole(File.ReadAllBytes(Path(version.Name)), out long id) ?? version.Judge(look, id));
            }

            Look last = area.Versions[2].Look();
            _ = Must(Calls.ReadLink(Path(area.Versions[2].Name), out string target));
            Note(area.Versions[2].Judge(last, Actor.IdOf(target)));
            last = area.Times.Look();
            _ = Must(Calls.Stat(Path(area.Times.Name), out Status status));
            Note(area.Times.Judge(last, status.Modified));
            JudgeNames(area);
        }

        string Path(string name) => $"{side.Root}/{Name}/{name}";

        void Note(string? wrong)
        {
            if (wrong is not null)
            {
                _wrong.Enqueue($"afterwards, at {side.Name}: {wrong}");
            }
        }

        void JudgeBlock(DataFile file, int i, ReadOnlySpan<byte> bytes)
        {
            Register register = file.Registers[i];
            Look look = register.Look();
            if (bytes.Length is > 0 and < Content.BlockSize)
            {
                Note($"{register.Name}: {bytes.Length} bytes");
            }
            else if (bytes.Length == 0)
            {
                Note(register.Judge(look, 0));
            }
            else if (!Content.TryRead(bytes[..Content.BlockSize], out BlockId id))
            {
                Note($"{register.Name}: {Content.Describe(bytes[..Content.BlockSize])}");
            }
            else
            {
                Note(id.Value == 0 || (id.File == file.Id && id.Index == i)
                    ? register.Judge(look, id.Value) : $"{register.Name}: a block of another place, {id}");
            }
        }

        void JudgeNames(Area area)
        {
            foreach (Slot slot in area.Names)
            {
                Look look = slot.Register.Look();
                int result = Calls.Stat(Path(slot.Name), out Status found);
                if (result < 0)
                {
                    Note(slot.Kind == '-' && result == -(int)Errno.ENOENT ? null : $"{slot.Name}: {(Errno)(-result)}");
                    continue;
                }

                string file = found.IsDirectory ? $"{slot.Name}/f" : slot.Name;
                Note(found.IsDirectory == (slot.Kind == 'd') ? null : $"{slot.Name} is of another kind");
                Note(Actor.JudgeWhole(File.ReadAllBytes(Path(file)), out long id) ?? slot.Judge(look, id));
                Note(id == slot.File ? null : $"{slot.Name} is file {id:x}, not {slot.File:x}");
            }
        }
    }

    private void CompareTrees()
    {
        List<string> bare = Describe(_sides[0]);
        foreach (Side side in _sides[1..])
        {
            List<string> other = Describe(side);
            foreach (string line in bare.Except(other))
            {
                _wrong.Enqueue($"only at {_sides[0].Name}: {line}");
            }

            foreach (string line in other.Except(bare))
            {
                _wrong.Enqueue($"only at {side.Name}: {line}");
            }
        }
    }

    /// <summary>A line for each path, which says what it is, what is in it, and which paths are the same file.</summary>
    private List<string> Describe(Side side)
    {
        var found = new List<(string Path, Status Status, string Content)>();
        Walk("");
        ILookup<(ulong, ulong), string> files = found.ToLookup(item => (item.Status.Device, item.Status.Ino), item => item.Path);
        return
        [
            .. found.Select(item => string.Create(
                CultureInfo.InvariantCulture,
                $"{item.Path} mode {item.Status.Mode:x} links {(item.Status.IsDirectory ? 0 : item.Status.Links)} " +
                $"size {(item.Status.IsDirectory ? 0 : item.Status.Size)} modified {item.Status.Modified} " +
                $"content {item.Content} same as {string.Join(", ", files[(item.Status.Device, item.Status.Ino)].Order())}")),
        ];

        void Walk(string below)
        {
            string path = $"{side.Root}/{Name}{below}";
            _ = Must(Calls.Stat(path, out Status status));
            string target = "";
            if (status.IsLink)
            {
                _ = Must(Calls.ReadLink(path, out target));
            }

            found.Add((below, status, status.IsLink ? target : status.IsDirectory ? ""
                : Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path)))[..16]));
            if (status.IsDirectory)
            {
                int fd = Must(Calls.Open(path, Linux.O_RDONLY | Linux.O_DIRECTORY));
                var names = new List<string>();
                _ = Must(Calls.List(fd, 1024, names));
                Calls.Close(fd);
                names.ForEach(name => Walk($"{below}/{name}"));
            }
        }
    }
}
