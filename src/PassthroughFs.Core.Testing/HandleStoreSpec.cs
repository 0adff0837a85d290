using System;
using System.Collections.Generic;
using FsCheck;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Testing;

/// <summary>What there is to do with a <see cref="HandleStore"/>.</summary>
public enum HandleStoreStep
{
    /// <summary>A new open file.</summary>
    Add,

    /// <summary>Get one that was opened once, by its own node.</summary>
    Get,

    /// <summary>Get one by another node, or a number that was never given.</summary>
    GetWrong,

    /// <summary>Get one and keep it, as a request that is under way does.</summary>
    Hold,

    /// <summary>End such a request.</summary>
    LetGo,

    /// <summary>Release one that was opened once, by its own node.</summary>
    Release,

    /// <summary>Release one by another node.</summary>
    ReleaseWrong,

    /// <summary>End all of them.</summary>
    Clear,
}

/// <summary>
/// A <see cref="HandleStore"/> does what it says: a Handle is found by its number and node from its opening to its
/// release and never again, its descriptor is closed when the last user is done and not before, and no number comes
/// twice.
/// </summary>
public static class HandleStoreSpec
{
    /// <summary>Sequences for <see cref="Check"/>.</summary>
    public static Arbitrary<Step<HandleStoreStep>[]> Sequences => Steps.Of(
        (8, HandleStoreStep.Add), (4, HandleStoreStep.Get), (2, HandleStoreStep.GetWrong), (5, HandleStoreStep.Hold),
        (4, HandleStoreStep.LetGo), (7, HandleStoreStep.Release), (2, HandleStoreStep.ReleaseWrong),
        (1, HandleStoreStep.Clear));

    /// <summary>Runs a sequence; returns what was wrong, or null. The store is empty before and after.</summary>
    /// <param name="store">An empty store.</param>
    /// <param name="descriptors">Where its descriptors come from.</param>
    /// <param name="steps">The sequence.</param>
    public static string? Check(
        HandleStore store, IDescriptors descriptors, IReadOnlyList<Step<HandleStoreStep>> steps)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(descriptors);
        ArgumentNullException.ThrowIfNull(steps);
        var run = new Run(store, new DescriptorLedger(descriptors));
        string? fault = null;
        foreach (Step<HandleStoreStep> step in steps)
        {
            fault = run.Do(step) ?? run.Invariants();
            if (fault is not null)
            {
                fault = $"{step}: {fault}";
                break;
            }
        }

        return fault ?? run.End();
    }

    private sealed class Opened
    {
        public Handle Handle;
        public NodeId Node;
        public int Fd;
        public bool IsOpen;
        public int Holds;
    }

    private sealed class Run(HandleStore store, DescriptorLedger ledger)
    {
        private readonly List<Opened> _all = [];
        private readonly List<(Opened Opened, OpenFile File)> _held = [];
        private readonly HashSet<ulong> _numbers = [];
        private int _count;

        public string? Do(Step<HandleStoreStep> step)
        {
            if (step.Kind == HandleStoreStep.Add)
            {
                return Add(new NodeId((ulong)(step.A & 3) + 1), (uint)step.B);
            }

            if (step.Kind == HandleStoreStep.Clear)
            {
                store.Clear();
                _all.ForEach(Ended);
                return null;
            }

            if (step.Kind == HandleStoreStep.LetGo)
            {
                return LetGo(step.A);
            }

            if (_all.Count == 0)
            {
                return null;
            }

            // The latest more often than the rest: most handles of a long sequence are closed.
            int back = step.B > 20 ? step.A & 3 : step.A;
            Opened opened = _all[_all.Count - 1 - (back % _all.Count)];
            var wrong = new NodeId(opened.Node.Value + 1 + (ulong)(step.C & 3));
            switch (step.Kind)
            {
                case HandleStoreStep.Get or HandleStoreStep.Hold:
                    return Get(opened, step.Kind == HandleStoreStep.Hold);
                case HandleStoreStep.GetWrong:
                    var never = new Handle(opened.Handle.Value + 1 + ((ulong)step.C << 24));
                    bool isFound = IsFound(opened.Handle, wrong) ||
                        (!_numbers.Contains(never.Value) && IsFound(never, opened.Node));
                    return isFound ? "found by what it is not" : null;
                case HandleStoreStep.Release:
                    bool released = store.Release(opened.Handle, opened.Node);
                    string? fault = released == opened.IsOpen ? null : $"release of {opened.Handle} gave {released}";
                    Ended(opened);
                    return fault;
                default:
                    return store.Release(opened.Handle, wrong) ? "released by another node" : null;
            }
        }

        public string? Invariants() => ledger.Fault ??
            (store.Count == _count ? null : $"{store.Count} are open instead of {_count}");

        public string? End()
        {
            store.Clear();
            _all.ForEach(Ended);
            while (_held.Count > 0)
            {
                LetGo(0);
            }

            return Invariants();
        }

        private string? Add(NodeId node, uint flags)
        {
            int fd = ledger.Open();
            Handle handle = store.Add(node, fd, flags);
            _all.Add(new Opened { Handle = handle, Node = node, Fd = fd, IsOpen = true });
            _count++;
            return handle.IsNone || !_numbers.Add(handle.Value) ? $"handle {handle} came again" : null;
        }

        private string? Get(Opened opened, bool hold)
        {
            OpenFile file = store.Get(opened.Handle, opened.Node);
            if (file.IsNone == opened.IsOpen)
            {
                return opened.IsOpen ? $"{opened.Handle} is not found" : $"{opened.Handle} is found after its release";
            }

            if (file.IsNone)
            {
                return null;
            }

            string? fault = file.Fd == opened.Fd && file.Handle == opened.Handle && file.Node == opened.Node
                ? null : $"{opened.Handle} is descriptor {file.Fd} instead of {opened.Fd}";
            ledger.Used(file.Fd);
            if (hold)
            {
                opened.Holds++;
                _held.Add((opened, file));
            }
            else
            {
                file.Dispose();
            }

            return fault;
        }

        private string? LetGo(int which)
        {
            if (_held.Count == 0)
            {
                return null;
            }

            int index = which % _held.Count;
            (Opened opened, OpenFile file) = _held[index];
            _held.RemoveAt(index);
            string? fault = file.Fd == opened.Fd ? null : $"a held {opened.Handle} became descriptor {file.Fd}";
            ledger.Used(opened.Fd);
            file.Dispose();
            if (--opened.Holds == 0 && !opened.IsOpen)
            {
                ledger.Closed(opened.Fd);
            }

            return fault;
        }

        private void Ended(Opened opened)
        {
            if (!opened.IsOpen)
            {
                return;
            }

            opened.IsOpen = false;
            _count--;
            if (opened.Holds == 0)
            {
                ledger.Closed(opened.Fd);
            }
            else
            {
                ledger.Used(opened.Fd);
            }
        }

        private bool IsFound(Handle handle, NodeId node)
        {
            using OpenFile file = store.Get(handle, node);
            return !file.IsNone;
        }
    }
}
