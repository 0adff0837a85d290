using System.Linq;
using System.Reflection;
using PassthroughFs.Core.Api;
using Xunit;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class DelegatingFileSystemTests
{
    [Fact]
    public void Every_operation_can_be_overridden()
    {
        InterfaceMapping map = typeof(DelegatingFileSystem).GetInterfaceMap(typeof(IFileSystem));
        string[] left = [.. map.TargetMethods
            .Where(m => m.DeclaringType != typeof(DelegatingFileSystem) || !m.IsVirtual || m.IsFinal)
            .Select(method => method.Name)];
        Assert.Empty(left);
    }

    [Fact]
    public void Every_operation_reaches_the_inner_file_system_as_it_is()
    {
        RecordingTransport transport = new() { DaxWindow = new RecordingWindow() };
        foreach (FuseCase item in FuseCases.All)
        {
            Rig direct = new(transport: transport), wrapped = new(transport: transport);
            Rig outer = new(transport: transport, fs: new Wrapper(wrapped.Fs));
            direct.Start();
            outer.Start();
            wrapped.Fs.Calls.Clear();
            Assert.Equal(direct.Send(item.Request()), outer.Send(item.Request()));
            Assert.Equal(direct.Fs.Calls, wrapped.Fs.Calls);
        }
    }

    [Fact]
    public void Mappings_reach_the_inner_file_system_as_they_are()
    {
        RecordingFileSystem inner = new();
        Wrapper wrapper = new(inner);
        RecordingWindow window = new();
        NodeId node = new(5);
        inner.Result = Errno.EXDEV;
        Assert.Equal(Errno.EXDEV, wrapper.SetupMapping(default, node, new Handle(6), default, window));
        Assert.Equal(Errno.EXDEV, wrapper.RemoveMapping(default, node, [new DaxRange(7, 8)], window));
        string[] calls = [.. inner.Calls];
        inner.Calls.Clear();
        inner.SetupMapping(default, node, new Handle(6), default, window);
        inner.RemoveMapping(default, node, [new DaxRange(7, 8)], window);
        Assert.Equal(inner.Calls, calls);
        Assert.Equal(2, calls.Length);
    }

    private sealed class Wrapper(IFileSystem inner) : DelegatingFileSystem(inner);
}
