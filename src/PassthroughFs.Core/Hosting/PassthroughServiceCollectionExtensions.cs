using System;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PassthroughFs.Core.Api;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Hosting;

/// <summary>Registers a passthrough file system with dependency injection.</summary>
public static class PassthroughServiceCollectionExtensions
{
    /// <summary>
    /// Adds one <see cref="PassthroughFileSystem"/>, as itself and as <see cref="IFileSystem"/>, configured by
    /// <paramref name="configure"/> and by every other <c>Configure&lt;PassthroughConfig&gt;</c>.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options, or null for what is configured elsewhere.</param>
    /// <returns>The services.</returns>
    /// <remarks>
    /// <para>
    /// The first use throws an <see cref="OptionsValidationException"/> that lists each fault of the configuration, and
    /// what the constructor of <see cref="PassthroughFileSystem"/> throws otherwise.
    /// </para>
    /// <para>
    /// The provider owns the file system: disposing of the provider closes every descriptor, so end the sessions first.
    /// </para>
    /// </remarks>
    /// <exception cref="InvalidOperationException">
    /// It was called before, and the two would be one file system: give each a key.
    /// </exception>
    public static IServiceCollection AddPassthroughFileSystem(
        this IServiceCollection services, Action<PassthroughConfig>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        Refuse(services, null, "give each a key: AddPassthroughFileSystem(\"photos\", …)");
        AddOptions(services, Options.DefaultName, configure);
        services.AddSingleton(provider => Create(provider, Options.DefaultName));
        services.TryAddSingleton<IFileSystem>(provider => provider.GetRequiredService<PassthroughFileSystem>());
        return services;
    }

    /// <summary>
    /// Adds one of several, as a keyed service by itself and as <see cref="IFileSystem"/>. Its options are those with its
    /// name: <c>Configure&lt;PassthroughConfig&gt;(key, …)</c> adds to them.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="key">Its key.</param>
    /// <param name="configure">As above.</param>
    /// <returns>The services.</returns>
    /// <exception cref="InvalidOperationException">There is one with this key.</exception>
    public static IServiceCollection AddPassthroughFileSystem(
        this IServiceCollection services, string key, Action<PassthroughConfig>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(key);
        Refuse(services, key, "give it another");
        AddOptions(services, key, configure);
        services.AddKeyedSingleton(key, (provider, _) => Create(provider, key));
        services.TryAddKeyedSingleton<IFileSystem>(
            key, (provider, _) => provider.GetRequiredKeyedService<PassthroughFileSystem>(key));
        return services;
    }

    private static void Refuse(IServiceCollection services, string? key, string advice)
    {
        foreach (ServiceDescriptor service in services)
        {
            if (service.ServiceType == typeof(PassthroughFileSystem) && Equals(service.ServiceKey, key))
            {
                throw new InvalidOperationException(
                    $"A passthrough file system {(key is null ? "without a key" : $"with the key \"{key}\"")} was added " +
                    $"before, and the two would be one: {advice}.");
            }
        }
    }

    private static void AddOptions(IServiceCollection services, string name, Action<PassthroughConfig>? configure)
    {
        OptionsBuilder<PassthroughConfig> options = services.AddOptions<PassthroughConfig>(name);
        if (configure is not null)
        {
            options.Configure(configure);
        }

        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<PassthroughConfig>, PassthroughConfigOptionsValidator>());
    }

    private static PassthroughFileSystem Create(IServiceProvider provider, string name) => new(
        provider.GetRequiredService<IOptionsMonitor<PassthroughConfig>>().Get(name),
        provider.GetService<ILogger<PassthroughFileSystem>>());
}
