using System;
using System.Threading;
using PassthroughFs.Core.Fuzz.Engine;

namespace PassthroughFs.Core.Fuzz.Targets;

internal sealed unsafe partial class QueueTarget
{
    /// <summary>A guest that writes while the device reads.</summary>
    private sealed class Meddler : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _ends;

        public Meddler(QueueTarget target, ulong seed)
        {
            _thread = new Thread(() =>
            {
                var rng = new Rng(seed);
                while (!_ends)
                {
                    int at = rng.OneIn(3) ? rng.Below(target._size * DescriptorBytes) : rng.Below(DataAt + 4096);
                    target._first[at] = (byte)(rng.OneIn(2) ? rng.Below(4) : rng.Below(256));
                    if (rng.OneIn(64))
                    {
                        Thread.Yield();
                    }
                }
            });
            _thread.Start();
        }

        public void Dispose()
        {
            _ends = true;
            _thread.Join();
        }
    }
}
