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
    public static IServiceCollection AddPassthroughFileSystem(
        this IServiceCollection services, Action<PassthroughConfig>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        OptionsBuilder<PassthroughConfig> options = services.AddOptions<PassthroughConfig>();
        if (configure is not null)
        {
            options.Configure(configure);
        }

        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<PassthroughConfig>, PassthroughConfigOptionsValidator>());
        services.TryAddSingleton(provider => new PassthroughFileSystem(
            provider.GetRequiredService<IOptions<PassthroughConfig>>().Value,
            provider.GetService<ILogger<PassthroughFileSystem>>()));
        services.TryAddSingleton<IFileSystem>(provider => provider.GetRequiredService<PassthroughFileSystem>());
        return services;
    }
}
