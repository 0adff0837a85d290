using System.Collections.Generic;
using Microsoft.Extensions.Options;
using PassthroughFs.Core.Passthrough;

namespace PassthroughFs.Core.Hosting;

/// <summary><see cref="PassthroughConfigValidator"/> for Microsoft.Extensions.Options.</summary>
internal sealed class PassthroughConfigOptionsValidator : IValidateOptions<PassthroughConfig>
{
    public ValidateOptionsResult Validate(string? name, PassthroughConfig options)
    {
        IReadOnlyList<string> faults = PassthroughConfigValidator.Validate(options);
        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }
}
