using System;
using PassthroughFs.Paths.Tree;

namespace PassthroughFs.Paths;

/// <summary>A file or directory that the client has open.</summary>
internal interface IOpened : IDisposable
{
    PathNode Node { get; }
}
