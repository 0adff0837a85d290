using System.Collections.Generic;
using PassthroughFs.Core.Fuzz.Targets;

namespace PassthroughFs.Core.Fuzz.Engine;

/// <summary>The tree before a session, against which a configuration's promise is held.</summary>
internal sealed class TreeBefore
{
    private readonly Stage _stage;
    private readonly HashSet<FileState> _files = [];
    private readonly HashSet<ulong> _sizes = [0];
    private int _count;

    public TreeBefore(Setup setup, Stage stage)
    {
        _stage = stage;
        if (setup.Name is not ("read-only" or "seal"))
        {
            return;
        }

        stage.Walk(state =>
        {
            _files.Add(state);
            _sizes.Add(state.Size);
            _count++;
        });
    }

    public void Check(Promise promise)
    {
        int count = 0;
        if (promise == Promise.None)
        {
            return;
        }

        _stage.Walk(state =>
        {
            count++;
            if (promise == Promise.ReadOnly ? !_files.Contains(state)
                : (state.Mode & 0xF000) == 0x8000 && !_sizes.Contains(state.Size))
            {
                throw new FindingException("promise", $"{promise}, and there is {state}");
            }
        });
        if (promise == Promise.ReadOnly && count != _count)
        {
            throw new FindingException("promise", $"{promise}, and there are {count} files in place of {_count}");
        }
    }
}
