using System;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PassthroughFs.Core.Api;

namespace PassthroughFs.Fuse.Hosting;

/// <summary>Mounts that live as long as a host.</summary>
public static class FuseMountServiceCollectionExtensions
{
    /// <summary>
    /// Adds a mount: it is made when the host starts, and gone when the host has stopped. A host may have any number.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="mountPoint">An existing directory.</param>
    /// <param name="create">
    /// Makes what is seen there. The mount owns it, and disposes of it, if it can be, when nothing is under way any more.
    /// </param>
    /// <param name="configure">
    /// Sets the options, or null. <see cref="FuseMountOptions.HandleSignals"/> is false: signals are the host's.
    /// </param>
    /// <returns>The services.</returns>
    /// <remarks>
    /// The host does not start if the mount cannot be made (<see cref="FuseMountException"/>). A mount that is taken away by
    /// <c>umount</c> is logged; one that fails stops the host, with an exit code of 1.
    /// </remarks>
    public static IServiceCollection AddFuseMount(
        this IServiceCollection services, string mountPoint, Func<IServiceProvider, IFileSystem> create,
        Action<FuseMountOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(mountPoint);
        ArgumentNullException.ThrowIfNull(create);

        // Not by AddHostedService, which adds one of a type.
        return services.AddSingleton<IHostedService>(provider => new FuseMountService(
            mountPoint, () => create(provider), isOwner: true, configure, Loggers(provider), Lifetime(provider)));
    }

    /// <summary>As above, of the one <see cref="IFileSystem"/> that is registered, which stays its provider's.</summary>
    /// <param name="services">As above.</param>
    /// <param name="mountPoint">As above.</param>
    /// <param name="configure">As above.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddFuseMount(
        this IServiceCollection services, string mountPoint, Action<FuseMountOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(mountPoint);
        return services.AddSingleton<IHostedService>(provider => new FuseMountService(
            mountPoint, provider.GetRequiredService<IFileSystem>, isOwner: false, configure, Loggers(provider),
            Lifetime(provider)));
    }

    /// <summary>As above, of the <see cref="IFileSystem"/> that is registered with a key.</summary>
    /// <param name="services">As above.</param>
    /// <param name="mountPoint">As above.</param>
    /// <param name="key">The key.</param>
    /// <param name="configure">As above.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddFuseMount(
        this IServiceCollection services, string mountPoint, string key, Action<FuseMountOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(mountPoint);
        ArgumentException.ThrowIfNullOrEmpty(key);
        return services.AddSingleton<IHostedService>(provider => new FuseMountService(
            mountPoint, () => provider.GetRequiredKeyedService<IFileSystem>(key), isOwner: false, configure,
            Loggers(provider), Lifetime(provider)));
    }

    private static ILoggerFactory? Loggers(IServiceProvider provider) => provider.GetService<ILoggerFactory>();

    private static IHostApplicationLifetime? Lifetime(IServiceProvider provider) =>
        provider.GetService<IHostApplicationLifetime>();
}
