namespace PassthroughFs.Fuse.Ring;

/// <summary>Numbers of io_uring and of FUSE over it, as Linux has them on every architecture.</summary>
internal static class RingAbi
{
    public const int NrSetup = 425;
    public const int NrEnter = 426;

    public const uint SetupCqSize = 1 << 3;
    public const uint SetupSubmitAll = 1 << 7;
    public const uint SetupSqe128 = 1 << 10;
    public const uint SetupSingleIssuer = 1 << 12;
    public const uint SetupDeferTaskrun = 1 << 13;
    public const uint SetupNoSqArray = 1 << 16;
    public const uint EnterGetEvents = 1;
    public const long OffSqRing = 0;
    public const long OffSqes = 0x10000000;

    // struct io_uring_params
    public const int ParamsSize = 120;
    public const int ParamsCqEntries = 4;
    public const int ParamsFlags = 8;
    public const int ParamsSqTail = 44;
    public const int ParamsSqMask = 48;
    public const int ParamsCqHead = 80;
    public const int ParamsCqTail = 84;
    public const int ParamsCqMask = 88;
    public const int ParamsCqes = 100;

    // struct io_uring_sqe, of 128 bytes
    public const int SqeSize = 128;
    public const int SqeFd = 4;
    public const int SqeCommandOp = 8;
    public const int SqeAddress = 16;
    public const int SqeLength = 24;
    public const int SqeUserData = 32;
    public const int SqeCommand = 48;
    public const byte OpUringCmd = 46;

    // struct io_uring_cqe
    public const int CqeSize = 16;
    public const int CqeResult = 8;

    // struct fuse_uring_cmd_req
    public const int CommandCommitId = 8;
    public const int CommandQueue = 16;
    public const uint CommandRegister = 1;
    public const uint CommandCommitAndFetch = 2;

    // struct fuse_uring_req_header: the header of the request and then of the reply, the operation's structure, and
    // struct fuse_uring_ent_in_out
    public const int HeaderSize = 288;
    public const int HeaderArguments = 128;
    public const int HeaderArgumentsSize = 128;
    public const int HeaderCommitId = 264;
    public const int HeaderPayloadSize = 272;
}
