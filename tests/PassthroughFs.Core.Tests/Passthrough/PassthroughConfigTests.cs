using System;
using System.Collections.Generic;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Hosting;
using PassthroughFs.Core.Passthrough;
using Xunit;

namespace PassthroughFs.Core.Tests.Passthrough;

public sealed class PassthroughConfigTests : DescriptorCheck
{
    [Theory]
    [InlineData(CachePolicy.Never, false, true, false, false)]
    [InlineData(CachePolicy.Never, true, false, false, false)]
    [InlineData(CachePolicy.Auto, true, false, false, false)]
    [InlineData(CachePolicy.Always, true, false, true, false)]
    [InlineData(CachePolicy.Never, true, true, false, false)]
    [InlineData(CachePolicy.Metadata, true, true, false, false)]
    [InlineData(CachePolicy.Always, true, true, true, true)]
    [InlineData(CachePolicy.Auto, false, true, false, true)]
    public void Conflicts_with_the_cache_policy_are_resolved(
        CachePolicy policy, bool noOpen, bool writeback, bool expectedNoOpen, bool expectedWriteback)
    {
        var config = new PassthroughConfig { CachePolicy = policy, NoOpen = noOpen, Writeback = writeback };
        using var fs = new PassthroughFileSystem(config);
        Assert.Equal(expectedNoOpen, fs.Config.NoOpen);
        Assert.Equal(expectedWriteback, fs.Config.Writeback);
        Assert.Equal(noOpen, config.NoOpen);
    }

    [Fact]
    public void Defaults_are_the_documented_ones()
    {
        var config = new PassthroughConfig();
        Assert.Equal("/", config.RootDir);
        Assert.Equal(TimeSpan.FromSeconds(5), config.EntryTimeout);
        Assert.Equal(TimeSpan.FromSeconds(5), config.AttrTimeout);
        Assert.Null(config.DirEntryTimeout);
        Assert.Null(config.DirAttrTimeout);
        Assert.Equal(CachePolicy.Auto, config.CachePolicy);
        Assert.True(config.DoImport);
        Assert.Null(config.DaxFileSize);
        Assert.Equal(InodeFileHandles.Never, config.InodeFileHandles);
        Assert.Empty(PassthroughConfigValidator.Validate(config));
    }

    public static TheoryData<Action<PassthroughConfig>, string[]> Faults => new()
    {
        { config => config.RootDir = "", ["RootDir"] },
        { config => config.EntryTimeout = TimeSpan.FromSeconds(-1), ["EntryTimeout"] },
        { config => config.DirAttrTimeout = TimeSpan.FromSeconds(-1), ["DirAttrTimeout"] },
        { config => config.CachePolicy = (CachePolicy)9, ["CachePolicy", "9"] },
        { config => config.DaxFileSize = -1, ["DaxFileSize"] },
        { config => config.RetainedMappings = -1, ["RetainedMappings"] },
        { config => config.InodeFileHandles = (InodeFileHandles)9, ["InodeFileHandles", "9", "Adaptive"] },
        { config => config.FdBudget = 100, ["FdBudget", "InodeFileHandles", "Adaptive"] },
        {
            config => (config.InodeFileHandles, config.FdBudget) = (InodeFileHandles.Adaptive, 0),
            ["FdBudget", "0"]
        },
        { config => config.PosixAcl = true, ["PosixAcl", "Xattr"] },
        {
            config => (config.ExportSupport, config.RetainedMappings) = (true, 0),
            ["ExportSupport", "RetainedMappings"]
        },
        { config => (config.ReadOnly, config.Writeback) = (true, true), ["ReadOnly", "Writeback"] },
        { config => (config.BackingFiles, config.Writeback) = (true, true), ["BackingFiles", "Writeback"] },
        { config => (config.BackingFiles, config.NoOpen) = (true, true), ["BackingFiles", "NoOpen"] },
        { config => (config.BackingFiles, config.SealSize) = (true, true), ["BackingFiles", "SealSize"] },
        { config => (config.BackingFiles, config.DaxFileSize) = (true, 0), ["BackingFiles", "DaxFileSize"] },
        { config => (config.BackingFiles, config.AllowDirectIo) = (true, false), ["BackingFiles", "AllowDirectIo"] },
    };

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public void A_fault_is_said_in_a_sentence_that_names_every_option_in_it(
        Action<PassthroughConfig> spoil, string[] names)
    {
        ArgumentNullException.ThrowIfNull(spoil);
        var config = new PassthroughConfig();
        spoil(config);
        IReadOnlyList<string> faults = PassthroughConfigValidator.Validate(config);
        string fault = Assert.Single(faults);
        Assert.All(names, name => Assert.Contains(name, fault, StringComparison.Ordinal));
        var refused = Assert.Throws<ArgumentException>(() => new PassthroughFileSystem(config));
        Assert.Contains(fault, refused.Message, StringComparison.Ordinal);

        var services = new ServiceCollection();
        services.AddPassthroughFileSystem(spoil);
        using ServiceProvider provider = services.BuildServiceProvider();
        var thrown = Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<IFileSystem>());
        Assert.Equal([fault], thrown.Failures);
    }

    [Fact]
    public void A_configuration_in_use_is_frozen_and_a_copy_of_it_is_not()
    {
        var config = new PassthroughConfig { Xattr = true };
        using var fs = new PassthroughFileSystem(config);
        config.Xattr = false;
        Assert.True(fs.Config.Xattr);
        Assert.Throws<InvalidOperationException>(() => fs.Config.Xattr = false);
        PassthroughConfig copy = fs.Config.Clone();
        copy.Xattr = false;
        Assert.False(copy.Xattr);
    }

    [Fact]
    public void Services_give_one_file_system_configured_from_everywhere()
    {
        var services = new ServiceCollection();
        services.Configure<PassthroughConfig>(config => config.Xattr = true);
        services.AddPassthroughFileSystem(config => config.NoReaddir = true);
        using ServiceProvider provider = services.BuildServiceProvider();
        var fs = provider.GetRequiredService<PassthroughFileSystem>();
        Assert.Same(fs, provider.GetRequiredService<IFileSystem>());
        Assert.True(fs.Config.Xattr);
        Assert.True(fs.Config.NoReaddir);
    }

    [Fact]
    public void Several_are_told_apart_by_their_keys()
    {
        var services = new ServiceCollection();
        services.AddPassthroughFileSystem("a", config => config.RootDir = "/tmp");
        services.AddPassthroughFileSystem("b", config => config.RootDir = "/usr");
        services.Configure<PassthroughConfig>("b", config => config.ReadOnly = true);
        using ServiceProvider provider = services.BuildServiceProvider();
        var a = provider.GetRequiredKeyedService<PassthroughFileSystem>("a");
        var b = provider.GetRequiredKeyedService<PassthroughFileSystem>("b");
        Assert.Equal(("/tmp", false), (a.Config.RootDir, a.Config.ReadOnly));
        Assert.Equal(("/usr", true), (b.Config.RootDir, b.Config.ReadOnly));
        Assert.Same(a, provider.GetRequiredKeyedService<IFileSystem>("a"));
    }

    [Fact]
    public void Two_that_would_be_one_are_refused()
    {
        var services = new ServiceCollection();
        services.AddPassthroughFileSystem(config => config.RootDir = "/tmp");
        services.AddPassthroughFileSystem("a");
        var twice = Assert.Throws<InvalidOperationException>(
            () => services.AddPassthroughFileSystem(config => config.RootDir = "/usr"));
        Assert.Contains("give each a key", twice.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => services.AddPassthroughFileSystem("a"));
    }
}
