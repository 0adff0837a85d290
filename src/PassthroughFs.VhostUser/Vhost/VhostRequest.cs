using System;

namespace PassthroughFs.VhostUser;

/// <summary>The front end's messages that are understood here, under the specification's numbers.</summary>
internal enum VhostRequest : uint
{
    GetFeatures = 1,
    SetFeatures = 2,
    SetOwner = 3,
    ResetOwner = 4,
    SetMemTable = 5,
    SetVringNum = 8,
    SetVringAddr = 9,
    SetVringBase = 10,
    GetVringBase = 11,
    SetVringKick = 12,
    SetVringCall = 13,
    SetVringErr = 14,
    GetProtocolFeatures = 15,
    SetProtocolFeatures = 16,
    GetQueueNum = 17,
    SetVringEnable = 18,
    SetBackendReqFd = 21,
    GetConfig = 24,
    SetConfig = 25,
    ResetDevice = 34,
    GetMaxMemSlots = 36,
    AddMemReg = 37,
    RemMemReg = 38,
    GetShmemConfig = 44,
}

/// <summary>Feature bits of the device and its rings.</summary>
[Flags]
internal enum VirtioFeatures : ulong
{
    None = 0,
    RingIndirectDesc = 1UL << 28,
    RingEventIdx = 1UL << 29,
    VhostUserProtocolFeatures = 1UL << 30,
    Version1 = 1UL << 32,
    RingReset = 1UL << 40,

    /// <summary>All that is offered.</summary>
    Offered = RingIndirectDesc | RingEventIdx | VhostUserProtocolFeatures | Version1 | RingReset,
}

/// <summary>Feature bits of the conversation on the socket.</summary>
[Flags]
internal enum ProtocolFeatures : ulong
{
    None = 0,
    Mq = 1UL << 0,
    ReplyAck = 1UL << 3,
    BackendReq = 1UL << 5,
    Config = 1UL << 9,
    BackendSendFd = 1UL << 10,
    ResetDevice = 1UL << 13,
    ConfigureMemSlots = 1UL << 15,

    /// <summary>Bit 22 in the specification; in drafts, and in what was made after them, 20 and 21.</summary>
    Shmem = 1UL << 22,
}
