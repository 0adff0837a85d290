using System;
using System.Threading;

namespace PassthroughFs.Core.Passthrough;

/// <summary>
/// The file systems of this process that keep to a budget of descriptors: what the process may open is there for all
/// of them, and the one that has most gives way first.
/// </summary>
internal static class BudgetShare
{
    private static readonly Lock s_lock = new();
    private static DescriptorBudget[] s_all = [];

    /// <summary>How many descriptors they hold together.</summary>
    public static int Held
    {
        get
        {
            int sum = 0;
            foreach (DescriptorBudget budget in Volatile.Read(ref s_all))
            {
                sum += budget.Held;
            }

            return sum;
        }
    }

    public static void Join(DescriptorBudget budget)
    {
        lock (s_lock)
        {
            if (Array.IndexOf(s_all, budget) < 0)
            {
                Volatile.Write(ref s_all, [.. s_all, budget]);
            }
        }
    }

    public static void Leave(DescriptorBudget budget)
    {
        lock (s_lock)
        {
            Volatile.Write(ref s_all, Array.FindAll(s_all, other => other != budget));
        }
    }

    /// <summary>Closes descriptors of inodes of the file system that has most; returns how many.</summary>
    public static int CloseCold(int count)
    {
        DescriptorBudget? richest = null;
        foreach (DescriptorBudget budget in Volatile.Read(ref s_all))
        {
            richest = richest is null || budget.InodeFds > richest.InodeFds ? budget : richest;
        }

        if (richest?.TryVisit() != true)
        {
            return 0;
        }

        int closed = richest.CloseCold(count, takesUsed: true);
        richest.EndVisit();
        return closed;
    }
}
