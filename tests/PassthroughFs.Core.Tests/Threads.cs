using System;
using System.Collections.Concurrent;
using System.Threading;
using Xunit;

namespace PassthroughFs.Core.Tests;

/// <summary>Threads that start together; the first exception of any is the caller's.</summary>
internal static class Threads
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    /// <summary>How long a stress runs: 2 s, and 60 s with PTFS_NIGHTLY=1.</summary>
    public static TimeSpan StressTime => TimeSpan.FromSeconds(IsNightly ? 60 : 2);

    public static bool IsNightly => Environment.GetEnvironmentVariable("PTFS_NIGHTLY") == "1";

    public static void Run(int count, Action<int> body)
    {
        var faults = new ConcurrentQueue<Exception>();
        using var barrier = new Barrier(count);
        var threads = new Thread[count];
        for (int i = 0; i < count; i++)
        {
            int number = i;
            threads[i] = new Thread(() =>
            {
                barrier.SignalAndWait();
                try
                {
                    body(number);
                }
#pragma warning disable CA1031 // Thrown again on the test's own thread.
                catch (Exception e)
#pragma warning restore CA1031
                {
                    faults.Enqueue(e);
                }
            })
            {
                IsBackground = true,
            };
            threads[i].Start();
        }

        foreach (Thread thread in threads)
        {
            Assert.True(thread.Join(s_patience), "A thread does not end.");
        }

        if (faults.TryDequeue(out Exception? fault))
        {
            throw new InvalidOperationException(fault.Message, fault);
        }
    }

    /// <summary>Runs bodies again and again, all at the same time, until the time is over or one fails.</summary>
    public static void Stress(params Action<Random>[] bodies)
    {
        long end = Environment.TickCount64 + (long)StressTime.TotalMilliseconds;
        bool failed = false;
        Run(bodies.Length, number =>
        {
            var random = new Random(number);
            try
            {
                while (Environment.TickCount64 < end && !Volatile.Read(ref failed))
                {
                    bodies[number](random);
                }
            }
            catch
            {
                Volatile.Write(ref failed, true);
                throw;
            }
        });
    }
}
