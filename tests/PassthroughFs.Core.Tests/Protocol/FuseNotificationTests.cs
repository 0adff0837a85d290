using System;
using PassthroughFs.Core.Api;
using Xunit;

namespace PassthroughFs.Core.Tests.Protocol;

public sealed class FuseNotificationTests
{
    private readonly RecordingTransport _transport = new();

    [Fact]
    public void Each_notification_is_one_message()
    {
        INotificationSink sink = Started().Session.Notifications;
        Assert.Equal(Errno.OK, sink.InvalidateInode(new NodeId(5), -1, 7));
        Sent(2, new Bytes().U64(5).S64(-1).S64(7));
        Assert.Equal(Errno.OK, sink.InvalidateEntry(new NodeId(5), "name"u8));
        Sent(3, new Bytes().U64(5).U32(4).U32(0).Name("name"));
        Assert.Equal(Errno.OK, sink.InvalidateEntry(new NodeId(5), "name"u8, expireOnly: true));
        Sent(3, new Bytes().U64(5).U32(4).U32(1).Name("name"));
        Assert.Equal(Errno.OK, sink.Delete(new NodeId(5), new NodeId(6), "name"u8));
        Sent(6, new Bytes().U64(5).U64(6).U32(4).U32(0).Name("name"));
        Assert.Equal(Errno.OK, sink.Store(new NodeId(5), 6, "data"u8));
        Sent(4, new Bytes().U64(5).U64(6).U32(4).U32(0).Text("data"));
        Assert.Equal(Errno.OK, sink.Resend());
        Sent(7, new Bytes());
        Assert.Equal(Errno.OK, sink.Prune([new NodeId(8), new NodeId(9)]));
        Sent(9, new Bytes().U32(2).U32(0).U64(0).U64(8).U64(9));
    }

    [Fact]
    public void The_transports_answer_is_passed_on()
    {
        INotificationSink sink = Started().Session.Notifications;
        _transport.Result = Errno.ENOENT;
        Assert.Equal(Errno.ENOENT, sink.InvalidateInode(new NodeId(5), 0, 0));
    }

    [Fact]
    public void What_the_client_does_not_understand_is_not_sent()
    {
        Rig rig = new(transport: _transport);
        rig.Start(~(ulong)(InitFlags.FUSE_HAS_EXPIRE_ONLY | InitFlags.FUSE_HAS_RESEND), minor: 44);
        INotificationSink sink = rig.Session.Notifications;
        Assert.Equal(Errno.EOPNOTSUPP, sink.InvalidateEntry(new NodeId(5), "name"u8, expireOnly: true));
        Assert.Equal(Errno.EOPNOTSUPP, sink.Resend());
        Assert.Equal(Errno.EOPNOTSUPP, sink.Prune([new NodeId(8)]));
        Assert.Empty(_transport.Messages);
        Assert.Equal(Errno.OK, sink.InvalidateEntry(new NodeId(5), "name"u8));
    }

    [Fact]
    public void Without_a_client_or_a_transport_nothing_is_sent()
    {
        Rig rig = new(transport: _transport);
        Assert.Equal(Errno.ENOTCONN, rig.Session.Notifications.InvalidateInode(new NodeId(5), 0, 0));
        Rig silent = new(transport: new RecordingTransport { CanNotify = false });
        silent.Start();
        Assert.Equal(Errno.EOPNOTSUPP, silent.Session.Notifications.InvalidateInode(new NodeId(5), 0, 0));
        Assert.Equal(Errno.EOPNOTSUPP, Rig.Started().Session.Notifications.InvalidateInode(new NodeId(5), 0, 0));
        Assert.Empty(_transport.Messages);
    }

    [Fact]
    public void Names_are_checked()
    {
        INotificationSink sink = Started().Session.Notifications;
        Assert.Equal(Errno.EINVAL, sink.InvalidateEntry(new NodeId(5), ""u8));
        Assert.Equal(Errno.EINVAL, sink.Delete(new NodeId(5), new NodeId(6), "a\0b"u8));
        Assert.Equal(Errno.ENAMETOOLONG, sink.InvalidateEntry(new NodeId(5), Filled(256)));
        Assert.Empty(_transport.Messages);
        Assert.Equal(Errno.OK, sink.InvalidateEntry(new NodeId(5), Filled(255)));
    }

    private static byte[] Filled(int length)
    {
        byte[] name = new byte[length];
        Array.Fill(name, (byte)'n');
        return name;
    }

    private Rig Started()
    {
        Rig rig = new(transport: _transport);
        rig.Start();
        return rig;
    }

    private void Sent(uint code, Bytes body)
    {
        byte[] expected = new Bytes().U32((uint)(16 + body.Length)).U32(code).U64(0).Append(body).ToArray();
        Assert.Equal(expected, Assert.Single(_transport.Messages));
        _transport.Messages.Clear();
    }
}
