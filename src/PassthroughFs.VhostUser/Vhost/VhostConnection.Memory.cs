using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PassthroughFs.VhostUser;

/// <summary>The messages that say what memory the guest has.</summary>
internal sealed partial class VhostConnection
{
    private const int MaxRegions = 509; // what KVM can have

    private bool HandleMemory(VhostMessage message)
    {
        switch (message.Request)
        {
            case VhostRequest.SetMemTable:
                SetMemTable(message);
                return false;
            case VhostRequest.GetMaxMemSlots:
                return Reply(message.Request, MaxRegions);
            case VhostRequest.AddMemReg:
                AddMemReg(message);
                return false;
            default:
                // A descriptor may come along; it is not needed.
                MemoryRegionInfo region = message.Read<SingleRegion>().Region;
                return _memory.Remove(region.GuestAddress, region.UserAddress, region.Length)
                    ? false
                    : throw new ProtocolException($"RemMemReg: no region {region.GuestAddress:x}+{region.Length:x}");
        }
    }

    private void SetMemTable(VhostMessage message)
    {
        const int headerBytes = 8; // number, padding
        ReadOnlySpan<byte> payload = message.Payload;
        uint count = payload.Length < headerBytes ? uint.MaxValue : MemoryMarshal.Read<uint>(payload);
        if (count > VhostSocket.MaxFds || payload.Length - headerBytes < count * Unsafe.SizeOf<MemoryRegionInfo>())
        {
            throw new ProtocolException($"SetMemTable with {payload.Length} bytes");
        }

        message.ExpectFds((int)count);
        ReadOnlySpan<MemoryRegionInfo> table =
            MemoryMarshal.Cast<byte, MemoryRegionInfo>(payload[headerBytes..])[..(int)count];
        var regions = new List<GuestRegion>();
        TakeOver(regions, () => _memory.Replace([.. regions]), table, message);
    }

    private void AddMemReg(VhostMessage message)
    {
        MemoryRegionInfo region = message.Read<SingleRegion>().Region;
        message.ExpectFds(1);
        if (_memory.Current.Regions.Length >= MaxRegions)
        {
            throw new ProtocolException($"AddMemReg: there are {MaxRegions} regions already");
        }

        var regions = new List<GuestRegion>();
        TakeOver(regions, () => _memory.Add(regions[0]), new ReadOnlySpan<MemoryRegionInfo>(in region), message);
    }

    // Maps regions and hands them over; on any fault what was mapped so far is unmapped again.
    private static void TakeOver(
        List<GuestRegion> regions, Action handOver, ReadOnlySpan<MemoryRegionInfo> table, VhostMessage message)
    {
        try
        {
            foreach (ref readonly MemoryRegionInfo info in table)
            {
                // The mapping keeps the memory; the descriptor is not needed any more.
                using SafeFileHandle fd = message.TakeFd();
                regions.Add(MappedRegion.Map(info, fd));
            }

            handOver();
        }
        catch (Exception e) when (e is ProtocolException or ArgumentException)
        {
            foreach (GuestRegion region in regions)
            {
                region.Discard();
            }

            throw e as ProtocolException ?? new ProtocolException($"{message.Request}: {e.Message}");
        }
    }
}
