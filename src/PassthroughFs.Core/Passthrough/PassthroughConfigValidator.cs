using System;
using System.Collections.Generic;

namespace PassthroughFs.Core.Passthrough;

/// <summary>Finds what is wrong with a <see cref="PassthroughConfig"/> before anything is opened.</summary>
public static class PassthroughConfigValidator
{
    /// <summary>The largest <see cref="PassthroughConfig.NoOpenFiles"/>.</summary>
    public const int MaxNoOpenFiles = 1 << 20;

    /// <summary>Checks values and combinations.</summary>
    /// <returns>One sentence for each fault, naming every option that takes part in it; empty if all is well.</returns>
    public static IReadOnlyList<string> Validate(PassthroughConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var faults = new List<string>();

        void Check(bool fine, string fault)
        {
            if (!fine)
            {
                faults.Add(fault);
            }
        }

        void CheckTimeout(TimeSpan? value, string name) =>
            Check(value is null || value >= TimeSpan.Zero, $"{name} is {value}: a timeout cannot be negative.");

        Check(!string.IsNullOrEmpty(config.RootDir), "RootDir is empty: name the directory to serve.");
        Check(config.RootFd is null or >= 0, "RootFd is negative: give the number of an open descriptor.");
        Check(config.RootDir?.Contains('\0', StringComparison.Ordinal) != true, "RootDir contains a NUL character.");
        CheckTimeout(config.EntryTimeout, nameof(config.EntryTimeout));
        CheckTimeout(config.AttrTimeout, nameof(config.AttrTimeout));
        CheckTimeout(config.DirEntryTimeout, nameof(config.DirEntryTimeout));
        CheckTimeout(config.DirAttrTimeout, nameof(config.DirAttrTimeout));
        CheckTimeout(config.NegativeTimeout, nameof(config.NegativeTimeout));
        Check(
            Enum.IsDefined(config.CachePolicy),
            $"CachePolicy {(int)config.CachePolicy} is none of Auto, Never, Metadata, Always.");
        Check(
            Enum.IsDefined(config.InodeFileHandles),
            $"InodeFileHandles {(int)config.InodeFileHandles} is none of Never, Prefer, Mandatory, Adaptive.");
        Check(
            config.FdBudget is null or >= 1,
            $"FdBudget is {config.FdBudget}: give a number of descriptors, at least 1, or null for as many as there " +
            "are.");
        Check(
            config.FdBudget is null || config.InodeFileHandles == InodeFileHandles.Adaptive,
            "FdBudget needs InodeFileHandles Adaptive: in every other mode the number of descriptors is not limited " +
            "here.");
        Check(
            config.MaxNodes is null or >= 2,
            $"MaxNodes is {config.MaxNodes}: give a number of nodes, at least 2, or null for what memory allows.");
        Check(
            config.DaxFileSize is null or >= 0,
            $"DaxFileSize is {config.DaxFileSize}: give a size in bytes, 0 for all files, or null for none.");
        Check(
            config.NoOpenFiles is >= 0 and <= MaxNoOpenFiles,
            $"NoOpenFiles is {config.NoOpenFiles}: give a number from 0 to {MaxNoOpenFiles}.");
        Check(config.RetainedMappings >= 0, $"RetainedMappings is {config.RetainedMappings}: it cannot be negative.");
        Check(
            !config.ExportSupport || config.RetainedMappings != 0,
            "ExportSupport conflicts with RetainedMappings = 0: only what is remembered is found again. Remember as " +
            "many files as clients hold handles of, or switch ExportSupport off.");
        Check(
            !config.PosixAcl || config.Xattr,
            "PosixAcl conflicts with Xattr = false: ACLs are extended attributes. Switch Xattr on, or PosixAcl off.");
        Check(
            !config.ReadOnly || !config.Writeback,
            "ReadOnly conflicts with Writeback: a read-only file system has no writes to collect. Switch one of them " +
            "off.");
        Check(
            !config.FlockLocks || !config.NoOpen,
            "FlockLocks conflicts with NoOpen: flock's locks belong to open files. Switch one of them off.");
        Check(
            !config.PosixLocks || !config.NoOpen,
            "PosixLocks conflicts with NoOpen: of an open file that is closed with locks (F_OFD_SETLK) only RELEASE " +
            "tells. Switch one of them off.");
        Check(
            !config.IdMappedMounts || !config.CheckPermissions,
            "IdMappedMounts conflicts with CheckPermissions: the client does not say who calls, so that the host cannot " +
            "check. Let the client check, or switch IdMappedMounts off.");
        CheckBackingFiles(!config.Writeback, "Writeback: the client writes to the file at once");
        CheckBackingFiles(!config.NoOpen, "NoOpen: the client learns of a backing file when it opens");
        CheckBackingFiles(!config.SealSize, "SealSize: nobody would see the writes that change a file's size");
        CheckBackingFiles(config.DaxFileSize is null, "DaxFileSize: a file is read and written in one of the two ways");
        CheckBackingFiles(
            config.AllowDirectIo,
            "AllowDirectIo = false: the client opens the backing file by itself, with O_DIRECT where a caller has it");
        return faults;

        void CheckBackingFiles(bool fine, string conflict) =>
            Check(fine || !config.BackingFiles, $"BackingFiles conflicts with {conflict}. Do without one of them.");
    }

    internal static void ThrowIfInvalid(PassthroughConfig config)
    {
        IReadOnlyList<string> faults = Validate(config);
        if (faults.Count > 0)
        {
            throw new ArgumentException(string.Join(' ', faults), nameof(config));
        }
    }
}
