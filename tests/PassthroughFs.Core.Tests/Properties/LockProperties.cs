using System;
using System.Collections.Generic;
using System.Linq;
using FsCheck;
using FsCheck.Fluent;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Properties;

/// <summary>Record locks of several owners, on two file systems over one directory, against what POSIX says.</summary>
public sealed class LockProperties : DescriptorCheck
{
    private const int Owners = 4;
    private const int Bytes = 8;

    private readonly HostDirectory _directory = new();

    private static RequestContext Context => default;

    [Fact]
    public void Locks_agree_with_their_model()
    {
        _directory.File("f");
        using Client first = new(_directory.Path), second = new(_directory.Path);
        Prop.ForAll(Sequences, steps =>
        {
            // Owners 0 and 1 are the first client's, 2 and 3 the other's, under the same numbers.
            var model = new LockType[Owners, Bytes];
            Fill(model, Enumerable.Range(0, Owners), LockType.F_UNLCK);
            foreach (Step step in steps)
            {
                Client client = step.Owner < 2 ? first : second;
                Check(step, client, new LockOwner((ulong)(step.Owner % 2) + 1), model);
            }

            foreach (Client client in new[] { first, second })
            {
                client.Flush(new LockOwner(1));
                client.Flush(new LockOwner(2));
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Cases.Number(3000)));
    }

    protected override void Cleanup() => _directory.Dispose();

    private static Arbitrary<Step[]> Sequences
    {
        get
        {
            Gen<Step> step =
                from kind in Gen.Choose(0, 9)
                from owner in Gen.Choose(0, Owners - 1)
                from type in Gen.Elements(LockType.F_RDLCK, LockType.F_WRLCK, LockType.F_UNLCK)
                from start in Gen.Choose(0, Bytes - 1)
                from length in Gen.Choose(1, Bytes)
                select new Step(
                    kind switch { 0 => Kind.Flush, < 3 => Kind.Get, _ => Kind.Set }, owner, type, start,
                    Math.Min(start + length, Bytes) - 1);
            return Arb.From(
                step.ArrayOf(),
                steps => Enumerable.Range(0, steps.Length).Select(i => steps.Where((_, at) => at != i).ToArray()));
        }
    }

    private static void Check(Step step, Client client, LockOwner owner, LockType[,] model)
    {
        if (step.Kind == Kind.Flush)
        {
            client.Flush(owner);
            Fill(model, [step.Owner], LockType.F_UNLCK);
            return;
        }

        // The last byte here stands for all that come behind it.
        ulong end = step.End == Bytes - 1 ? FileLock.ToTheEnd : (ulong)step.End;
        FileLock wanted = new() { Type = step.Type, Start = (ulong)step.Start, End = end };
        bool isFree = step.Type == LockType.F_UNLCK || Others(step).All(other => !Conflicts(step, model, other));
        if (step.Kind == Kind.Set)
        {
            Assert.Equal(isFree ? Errno.OK : Errno.EAGAIN, client.Set(owner, wanted));
            for (int at = step.Start; isFree && at <= step.End; at++)
            {
                model[step.Owner, at] = step.Type;
            }

            return;
        }

        if (step.Type == LockType.F_UNLCK)
        {
            return;
        }

        FileLock found = client.Get(owner, wanted);
        Assert.Equal(isFree, found.Type == LockType.F_UNLCK);
        if (!isFree)
        {
            // What is named is one whole lock of somebody who is in the way.
            int last = (int)Math.Min(found.End, Bytes - 1);
            Assert.Contains(Others(step), other => Conflicts(step, model, other)
                && Enumerable.Range((int)found.Start, last - (int)found.Start + 1)
                    .All(at => model[other, at] == found.Type)
                && (found.Start == 0 || model[other, (int)found.Start - 1] != found.Type)
                && (last == Bytes - 1 ? found.End == FileLock.ToTheEnd : model[other, last + 1] != found.Type));
        }
    }

    private static IEnumerable<int> Others(Step step) => Enumerable.Range(0, Owners).Where(o => o != step.Owner);

    private static bool Conflicts(Step step, LockType[,] model, int other) =>
        Enumerable.Range(step.Start, step.End - step.Start + 1).Any(at => model[other, at] == LockType.F_WRLCK
            || (model[other, at] == LockType.F_RDLCK && step.Type == LockType.F_WRLCK));

    private static void Fill(LockType[,] model, IEnumerable<int> owners, LockType type)
    {
        foreach (int owner in owners)
        {
            for (int at = 0; at < Bytes; at++)
            {
                model[owner, at] = type;
            }
        }
    }

    private enum Kind
    {
        Set,
        Get,
        Flush,
    }

    private sealed record Step(Kind Kind, int Owner, LockType Type, int Start, int End);

    private sealed class Client : IDisposable
    {
        private readonly PassthroughFileSystem _fs;
        private readonly NodeId _node;
        private readonly Handle _handle;

        public Client(string directory)
        {
            _fs = new PassthroughFileSystem(new PassthroughConfig { RootDir = directory, PosixLocks = true });
            _fs.Init(Context, InitFlags.FUSE_POSIX_LOCKS, out _);
            Assert.Equal(Errno.OK, _fs.Lookup(Context, NodeId.Root, "f", out Entry entry));
            Assert.Equal(Errno.OK, _fs.Open(Context, entry.Node, Linux.O_RDWR, default, out OpenReply reply));
            (_node, _handle) = (entry.Node, reply.Handle);
        }

        public Errno Set(LockOwner owner, in FileLock wanted) =>
            _fs.SetLk(Context, _node, _handle, owner, wanted, LockFlags.None);

        public FileLock Get(LockOwner owner, in FileLock wanted)
        {
            Assert.Equal(Errno.OK, _fs.GetLk(Context, _node, _handle, owner, wanted, out FileLock found));
            return found;
        }

        public void Flush(LockOwner owner) => Assert.Equal(Errno.OK, _fs.Flush(Context, _node, _handle, owner));

        public void Dispose() => _fs.Dispose();
    }
}
