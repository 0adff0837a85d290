using System.IO;
using System.Text;

namespace PassthroughFs.Core.IntegrationTests.Vhost.Guest;

/// <summary>Writes an archive in cpio's "newc" format, as a kernel takes its first file system from.</summary>
internal sealed class CpioArchive(Stream stream)
{
    private const int DirectoryMode = 0x41ED; // 040755
    private const int ProgramMode = 0x81ED; // 0100755
    private int _inode;

    public void AddDirectory(string name) => Add(name, DirectoryMode, []);

    public void AddFile(string name, byte[] content) => Add(name, ProgramMode, content);

    /// <summary>Ends the archive.</summary>
    public void Finish() => Add("TRAILER!!!", 0, []);

    private void Add(string name, int mode, byte[] content)
    {
        // Inode, mode, owner, group, links, time, size, device, device of a node, length of the name, checksum.
        int[] fields = [++_inode, mode, 0, 0, 1, 0, content.Length, 0, 0, 0, 0, name.Length + 1, 0];
        var header = new StringBuilder("070701");
        foreach (int field in fields)
        {
            header.Append(field.ToString("x8", null));
        }

        Write(Encoding.ASCII.GetBytes($"{header}{name}\0"));
        Write(content);
    }

    private void Write(byte[] bytes)
    {
        // Each part begins at a multiple of four.
        stream.Write(bytes);
        stream.Write(new byte[(4 - (bytes.Length % 4)) % 4]);
    }
}
