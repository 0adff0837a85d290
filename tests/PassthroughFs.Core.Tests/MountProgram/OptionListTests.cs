using PassthroughFs.Shared;
using Xunit;

namespace PassthroughFs.Core.Tests.MountProgram;

public sealed class OptionListTests
{
    [Theory]
    [InlineData("", new string[0])]
    [InlineData(",,", new string[0])]
    [InlineData("ro", new[] { "ro" })]
    [InlineData("ro,cache=never", new[] { "ro", "cache=never" })]
    [InlineData(",ro,,noexec,", new[] { "ro", "noexec" })]
    [InlineData(@"fsname=a\,b,ro", new[] { "fsname=a,b", "ro" })]
    [InlineData(@"fsname=a\\,ro", new[] { @"fsname=a\", "ro" })]
    [InlineData(@"fsname=a\", new[] { @"fsname=a\" })]
    public void A_list_falls_apart_at_commas_that_no_backslash_precedes(string list, string[] items) =>
        Assert.Equal(items, OptionList.Split(list));

    [Theory]
    [InlineData("plain")]
    [InlineData("a,b")]
    [InlineData(@"a\b")]
    [InlineData(@"\,\\,")]
    [InlineData(@"ends with \")]
    public void What_was_escaped_comes_back_in_one_piece(string value) =>
        Assert.Equal(["x", value, "y"], OptionList.Split($"x,{OptionList.Escape(value)},y"));
}
