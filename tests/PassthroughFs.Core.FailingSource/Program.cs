using System;
using System.Globalization;
using System.Threading;
using PassthroughFs.Core.FailingSource;
using PassthroughFs.Core.Passthrough;
using PassthroughFs.Core.Protocol;

// FailingSource DIRECTORY MOUNTPOINT: a mirror whose calls fail as the lines of standard input say; see Fault.Parse.
// `clear` ends all faults, `release OPERATION NAME` those, `hanging N` waits until N calls hang. Each line is answered, and the end of input ends it.
if (args is not [string directory, string mountPoint])
{
    Console.Error.WriteLine("usage: FailingSource DIRECTORY MOUNTPOINT");
    return 2;
}

var faults = new Faults();
var config = new PassthroughConfig
{
    RootDir = directory,
    Xattr = true,
    EntryTimeout = TimeSpan.Zero,
    AttrTimeout = TimeSpan.Zero,

    // Nothing comes between a caller and its fault: no cache, no attributes in listings, no copy of what a disk wants.
    CachePolicy = CachePolicy.Never,
    Readdirplus = false,
    AllowDirectIo = false,
};
using var mirror = new PassthroughFileSystem(config);
var session = new FuseSession(new FailingFileSystem(mirror, faults), new FuseSessionOptions());
Device device = Device.Mount(session, faults, mountPoint);
Console.WriteLine("serving");
while (Console.ReadLine() is { } line)
{
    string[] words = line.Split(' ');
    switch (words[0])
    {
        case "clear":
            faults.Clear();
            break;
        case "release":
            faults.Release(words[1], words[2]);
            break;
        case "hanging":
            int wanted = int.Parse(words[1], CultureInfo.InvariantCulture);
            while (faults.Hanging < wanted)
            {
                Thread.Sleep(5);
            }

            break;
        default:
            faults.Add(Fault.Parse(words));
            break;
    }

    Console.WriteLine("ok");
}

device.Remove();
faults.Clear();
return 0;
