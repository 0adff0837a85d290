using System.Collections.Generic;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Core.IntegrationTests.TwoSides;

/// <remarks>Names that come, go and move, and listings of them.</remarks>
internal sealed partial class Actor
{
    private readonly int[] _listFds;
    private readonly List<string> _listed = [];

    private void ChangeName(Area area)
    {
        Slot slot = area.Names[_random.Next(area.Names.Length)];
        if (!slot.TryClaim())
        {
            return;
        }

        try
        {
            if (slot.Kind == '-')
            {
                MakeName(slot);
                return;
            }

            // Now and then to another directory, which may be of another file system.
            Area to = Chance(80) ? area : _round.Areas[_random.Next(_round.Areas.Length)];
            Slot other = to.Names[_random.Next(to.Names.Length)];
            if (Chance(40) || other == slot || !other.TryClaim())
            {
                RemoveName(slot);
                return;
            }

            try
            {
                MoveName(slot, other, mayBeApart: to != area && _round.AreApart);
            }
            finally
            {
                other.GiveBack();
            }
        }
        finally
        {
            slot.GiveBack();
        }
    }

    private void MakeName(Slot slot)
    {
        long id = Area.NewId();
        string path = At(slot.Name);
        bool isDirectory = Chance(25);
        Change change = slot.Begin(id);
        if (isDirectory)
        {
            _ = Ok(Calls.Mkdir(path), "mkdir");
            MakeFile($"{path}/f", id);
        }
        else
        {
            MakeFile(path, id);
        }

        (slot.Kind, slot.File) = (isDirectory ? 'd' : 'f', id);
        slot.Register.End(change);
    }

    private void RemoveName(Slot slot)
    {
        Change change = slot.Begin(0);
        string path = At(slot.Name);
        if (slot.Kind == 'd')
        {
            _ = Ok(Calls.Unlink($"{path}/f"), "unlink");
            _ = Ok(Calls.Rmdir(path), "rmdir");
        }
        else
        {
            _ = Ok(Calls.Unlink(path), "unlink");
        }

        (slot.Kind, slot.File) = ('-', 0);
        slot.Register.End(change);
    }

    /// <summary>Renames, over what is there if that can be; links; or exchanges.</summary>
    private void MoveName(Slot from, Slot to, bool mayBeApart)
    {
        bool links = from.Kind == 'f' && to.Kind == '-' && Chance(40);
        bool exchanges = to.Kind != '-' && Chance(30);
        if (!links && !exchanges && to.Kind != '-' && (from.Kind != 'f' || to.Kind != 'f' || from.File == to.File))
        {
            return;
        }

        Change arrives = to.Begin(from.File);
        Change? leaves = links ? null : from.Begin(exchanges ? to.File : 0);
        int result = links ? Calls.Link(At(from.Name), At(to.Name))
            : Calls.Rename(At(from.Name), At(to.Name), exchanges ? Linux.RENAME_EXCHANGE : 0);
        if ((mayBeApart && result == -(int)Errno.EXDEV) || (exchanges && result == -(int)Errno.EINVAL))
        {
            to.Register.Withdraw(arrives);
            if (leaves is not null)
            {
                from.Register.Withdraw(leaves);
            }

            return;
        }

        _ = Ok(result, links ? "link" : exchanges ? "exchange" : "rename");
        (char Kind, long File) before = (to.Kind, to.File);
        (to.Kind, to.File) = (from.Kind, from.File);
        to.Register.End(arrives);
        if (leaves is not null)
        {
            (from.Kind, from.File) = exchanges ? before : ('-', 0);
            from.Register.End(leaves);
        }
    }

    private void ReadName(Area area)
    {
        Slot slot = area.Names[_random.Next(area.Names.Length)];
        Look look = Begin(slot.Register);
        if (Chance(25))
        {
            JudgePresence(Calls.Stat(At(slot.Name), out _), look, slot.Register);
            return;
        }

        int fd = Calls.Open(At(slot.Name), Linux.O_RDONLY);
        if (JudgePresence(fd, look, slot.Register))
        {
            _ = OkOrGone(Calls.Stat(fd, out Status status), "fstat");
            if (status.IsDirectory)
            {
                int directory = fd;
                fd = Calls.Open($"/proc/self/fd/{directory}/f", Linux.O_RDONLY);
                Calls.Close(directory);
            }

            // Where it is made or removed just now, a directory may be empty and a file not written yet.
            if (fd == -(int)Errno.ENOENT && !slot.Register.IsQuiet(look))
            {
                return;
            }

            _ = OkOrGone(fd, $"open what is in {slot.Name}");
            bool isKept = false;
            try
            {
                string? wrong = ReadWhole(fd, out long file);
                if ((wrong is null && file != 0) || slot.Register.IsQuiet(look))
                {
                    Judge(wrong ?? slot.Judge(look, file));
                    isKept = Keep(fd, file);
                }
            }
            finally
            {
                if (!isKept)
                {
                    Calls.Close(fd);
                }
            }
        }
    }

    private bool JudgePresence(int result, Look look, Register register)
    {
        if (result == -(int)Errno.ENOENT)
        {
            Judge(register.Judge(look, 0));
            return false;
        }

        _ = OkOrGone(result, $"look for {register.Name}");
        Judge(register.JudgeSomething(look));
        return true;
    }

    private void ListNames(Area area)
    {
        string directory = $"{area.Name}/names";
        ref int place = ref _listFds[IndexOf(_round.Areas, area)];
        int fd = Kept(ref place, directory, Linux.O_RDONLY | Linux.O_DIRECTORY, 30);
        var looks = new Look[area.Names.Length];
        for (int i = 0; i < looks.Length; i++)
        {
            looks[i] = Begin(area.Names[i].Register);
        }

        _ = Ok(Calls.List(fd, _random.Next(2) == 0 ? 128 : 4096, _listed), "list");
        for (int i = 0; i < looks.Length; i++)
        {
            Slot slot = area.Names[i];
            string name = slot.Name[(directory.Length + 1)..];
            int times = _listed.RemoveAll(listed => listed == name);
            bool isQuiet = slot.Register.IsQuiet(looks[i]);

            // A name that is replaced meanwhile may be missed: a directory's order is by entries in some file systems.
            Judge(times > 0 ? slot.Register.JudgeSomething(looks[i])
                : isQuiet && _round.ListsExactly ? slot.Register.Judge(looks[i], 0) : null);
            if (times > 1 && isQuiet && _round.ListsExactly)
            {
                throw Violation($"{slot.Name} is listed {times} times");
            }
        }

        if (_listed.Count > 0)
        {
            throw Violation($"{_listed[0]} is listed, which was never made");
        }
    }
}
