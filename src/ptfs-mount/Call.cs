using System.Collections.Generic;

namespace PassthroughFs.PtfsMount;

/// <summary>How the program that mounted was called.</summary>
/// <param name="Arguments">Its arguments.</param>
/// <param name="AsMountHelper">Whether mount(8) called it.</param>
internal sealed record Call(IReadOnlyList<string> Arguments, bool AsMountHelper);
