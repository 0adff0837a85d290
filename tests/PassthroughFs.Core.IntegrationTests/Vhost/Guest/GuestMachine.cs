using System;
using System.Diagnostics;
using System.Text;
using System.Threading;
using PassthroughFs.Core.IntegrationTests.Platform;
using Xunit;

namespace PassthroughFs.Core.IntegrationTests.Vhost.Guest;

/// <summary>
/// QEMU without anything but a serial line and the share. Ended by its number if it does not end itself.
/// </summary>
internal sealed class GuestMachine : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly Timer _watchdog;

    public GuestMachine(string socketPath, string initrd, int secondsToLive = 100)
    {
        string[] arguments =
        [
            "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "256M",
            "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
            "-object", "memory-backend-memfd,id=mem,size=256M,share=on",
            "-machine", "q35,memory-backend=mem",
            "-chardev", $"socket,id=share,path={socketPath}",
            "-device", "vhost-user-fs-pci,chardev=share,tag=share",
            "-kernel", GuestImage.Kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1 quiet no_timer_check",
        ];
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(Require.FindProgram("qemu-system-x86_64")!, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = "/",
            },
        };
        _process.OutputDataReceived += (_, e) => Note(e.Data);
        _process.ErrorDataReceived += (_, e) => Note(e.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        _watchdog = new Timer(_ => Kill(), null, TimeSpan.FromSeconds(secondsToLive), Timeout.InfiniteTimeSpan);
    }

    /// <summary>All that the guest and QEMU said.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>Waits until the guest says something; fails if it ends before.</summary>
    public void AwaitOutput(string text)
    {
        while (!Output.Contains(text, StringComparison.Ordinal))
        {
            Assert.False(_process.HasExited, Output);
            Thread.Sleep(20);
        }
    }

    /// <summary>Waits until it has powered itself off.</summary>
    public void AwaitEnd()
    {
        _process.WaitForExit();
        Assert.True(_process.ExitCode == 0, Output);
    }

    /// <summary>Tells it to end, as one does to a virtual machine, and waits until it has.</summary>
    public void Quit()
    {
        Assert.False(_process.HasExited, Output);
        Assert.Equal(0, Native.Kill(_process.Id, Native.SIGTERM));
        Assert.True(_process.WaitForExit(TimeSpan.FromSeconds(20)), $"it does not end: {Output}");
    }

    public void Kill()
    {
        try
        {
            _process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    public void Dispose()
    {
        _watchdog.Dispose();
        Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private void Note(string? line)
    {
        lock (_output)
        {
            _output.Append(line).Append('\n');
        }
    }
}
