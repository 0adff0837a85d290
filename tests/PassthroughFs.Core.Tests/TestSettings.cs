using Xunit;

// Tests count the process's file descriptors before and after, so nothing may run beside them.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
