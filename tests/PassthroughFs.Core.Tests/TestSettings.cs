using System.Runtime.Versioning;
using Xunit;

[assembly: SupportedOSPlatform("linux")]

// Tests count the process's file descriptors before and after, so nothing may run beside them.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
