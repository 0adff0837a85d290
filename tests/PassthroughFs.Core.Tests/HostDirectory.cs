using System;
using System.IO;

namespace PassthroughFs.Core.Tests;

/// <summary>A directory of the host for one test, gone afterwards.</summary>
internal sealed class HostDirectory : IDisposable
{
    public HostDirectory() => Path = Directory.CreateTempSubdirectory("ptfs-test-").FullName;

    public string Path { get; }

    public string File(string name, string content = "")
    {
        string path = System.IO.Path.Combine(Path, name);
        System.IO.File.WriteAllText(path, content);
        return path;
    }

    public string Folder(string name) => Directory.CreateDirectory(System.IO.Path.Combine(Path, name)).FullName;

    public void Dispose() => Directory.Delete(Path, true);
}
