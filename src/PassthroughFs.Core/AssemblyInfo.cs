using System.Runtime.CompilerServices;

// Buffers for names, paths and stat results live on the stack and are filled before they are read; zeroing them first
// would cost more than some of the calls.
[module: SkipLocalsInit]
