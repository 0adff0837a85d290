using System;
using System.Collections.Generic;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Testing;

/// <summary>A file of the host.</summary>
internal sealed class HostFile
{
    public required HostVolume Volume { get; init; }

    public required ulong Ino { get; init; }

    public required ulong Birth { get; init; }

    public required KernelHandle Handle { get; init; }

    public int Links { get; set; } = 1;

    /// <summary>Somebody has it open: it outlives its last name.</summary>
    public int Users { get; set; }
}

/// <summary>
/// A file system of the host: names, and inode numbers that are given to the next file as soon as one is free, the
/// lowest first, as hosts do that make life hard.
/// </summary>
internal sealed class HostVolume(ulong dev, ulong firstIno, bool hasHandles, bool hasBirthTimes)
{
    private readonly SortedSet<ulong> _free = [];
    private readonly Dictionary<int, HostFile> _names = [];
    private ulong _next = firstIno;
    private ulong _age;

    public ulong Dev => dev;

    public HostFile? this[int name] => _names.GetValueOrDefault(name);

    public void Create(int name)
    {
        if (_names.ContainsKey(name))
        {
            return;
        }

        ulong ino = _free.Count > 0 ? _free.Min : _next++;
        _free.Remove(ino);
        _age++;
        _names[name] = new HostFile
        {
            Volume = this,
            Ino = ino,
            Birth = hasBirthTimes ? _age : 0,
            Handle = hasHandles
                ? new KernelHandle(1, [.. BitConverter.GetBytes(ino), .. BitConverter.GetBytes(_age)])
                : KernelHandle.None,
        };
    }

    public void Link(int name, int newName)
    {
        if (_names.TryGetValue(name, out HostFile? file) && _names.TryAdd(newName, file))
        {
            file.Links++;
        }
    }

    public void Rename(int name, int newName)
    {
        if (_names.TryGetValue(name, out HostFile? file) && _names.GetValueOrDefault(newName) != file)
        {
            Unlink(newName);
            _names.Remove(name);
            _names[newName] = file;
        }
    }

    public void Unlink(int name)
    {
        if (_names.Remove(name, out HostFile? file))
        {
            file.Links--;
            FreeIfGone(file);
        }
    }

    /// <summary>A file without names and users is gone, and its number free.</summary>
    public void FreeIfGone(HostFile file)
    {
        if (file.Links == 0 && file.Users == 0)
        {
            _free.Add(file.Ino);
        }
    }
}
