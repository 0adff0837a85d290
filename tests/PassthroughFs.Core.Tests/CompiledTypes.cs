using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace PassthroughFs.Core.Tests;

/// <summary>
/// The types of a compiled assembly: which source file each is of, and which others each uses, in the signatures of its
/// members and in the code of its methods. What a compiler leaves no trace of is not there: constants and nameof.
/// </summary>
internal sealed class CompiledTypes : IDisposable
{
    private static readonly Guid s_typeDocuments = new("932E74BC-DBA9-4478-8D46-0F32A7BAB3D3");
    private static readonly OpCode[] s_oneByte = new OpCode[256];
    private static readonly OpCode[] s_twoBytes = new OpCode[256];

    private readonly PEReader _file;
    private readonly MetadataReaderProvider _symbolsProvider;
    private readonly MetadataReader _metadata;
    private readonly MetadataReader _symbols;

    static CompiledTypes()
    {
        foreach (FieldInfo field in typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            var code = (OpCode)field.GetValue(null)!;
            (code.Size == 1 ? s_oneByte : s_twoBytes)[code.Value & 0xff] = code;
        }
    }

    /// <param name="path">The assembly, with its symbols beside it.</param>
    public CompiledTypes(string path)
    {
        _file = new PEReader(new MemoryStream(File.ReadAllBytes(path)));
        _metadata = _file.GetMetadataReader();
        _symbolsProvider = MetadataReaderProvider.FromPortablePdbStream(
            new MemoryStream(File.ReadAllBytes(Path.ChangeExtension(path, ".pdb"))));
        _symbols = _symbolsProvider.GetMetadataReader();
    }

    /// <summary>All that are within no other.</summary>
    public IEnumerable<TypeDefinitionHandle> Outermost =>
        _metadata.TypeDefinitions.Where(type => !_metadata.GetTypeDefinition(type).IsNested);

    public void Dispose()
    {
        _symbolsProvider.Dispose();
        _file.Dispose();
    }

    public string NamespaceOf(TypeDefinitionHandle handle) =>
        _metadata.GetString(_metadata.GetTypeDefinition(handle).Namespace);

    public string NameOf(TypeDefinitionHandle handle) =>
        _metadata.GetString(_metadata.GetTypeDefinition(handle).Name);

    /// <summary>The type itself, or the one that all others around it are within.</summary>
    public TypeDefinitionHandle OutermostOf(TypeDefinitionHandle handle)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        return type.IsNested ? OutermostOf(type.GetDeclaringType()) : handle;
    }

    public bool IsPublic(TypeDefinitionHandle handle) =>
        (_metadata.GetTypeDefinition(handle).Attributes & TypeAttributes.VisibilityMask) == TypeAttributes.Public;

    /// <summary>The source files of a type and of those within it.</summary>
    public IEnumerable<string> FilesOf(TypeDefinitionHandle handle)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        IEnumerable<DocumentHandle> documents = type.GetMethods()
            .SelectMany(method => DocumentsOf(_symbols.GetMethodDebugInformation(method)))
            .Concat(_symbols.GetCustomDebugInformation(handle)
                .Select(_symbols.GetCustomDebugInformation)
                .Where(information => _symbols.GetGuid(information.Kind) == s_typeDocuments)
                .SelectMany(information => DocumentsIn(_symbols.GetBlobReader(information.Value))));
        return documents.Where(document => !document.IsNil).Distinct()
            .Select(document => _symbols.GetString(_symbols.GetDocument(document).Name))
            .Concat(type.GetNestedTypes().SelectMany(FilesOf)).Distinct();
    }

    /// <summary>The types of the assembly that a type uses, those within it included.</summary>
    public HashSet<TypeDefinitionHandle> UsesOf(TypeDefinitionHandle handle)
    {
        var uses = new Uses(_metadata);
        AddType(handle, uses);
        return uses.Found;
    }

    private void AddType(TypeDefinitionHandle handle, Uses uses)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        uses.Add(type.BaseType);
        uses.AddAttributes(type.GetCustomAttributes());
        uses.AddConstraints(type.GetGenericParameters());
        foreach (InterfaceImplementationHandle implemented in type.GetInterfaceImplementations())
        {
            uses.Add(_metadata.GetInterfaceImplementation(implemented).Interface);
        }

        foreach (FieldDefinitionHandle field in type.GetFields())
        {
            uses.Add(field);
            uses.AddAttributes(_metadata.GetFieldDefinition(field).GetCustomAttributes());
        }

        foreach (MethodDefinitionHandle handleOfMethod in type.GetMethods())
        {
            MethodDefinition method = _metadata.GetMethodDefinition(handleOfMethod);
            uses.Add(handleOfMethod);
            uses.AddAttributes(method.GetCustomAttributes());
            uses.AddConstraints(method.GetGenericParameters());
            if (method.RelativeVirtualAddress != 0)
            {
                AddCode(_file.GetMethodBody(method.RelativeVirtualAddress), uses);
            }
        }

        foreach (TypeDefinitionHandle nested in type.GetNestedTypes())
        {
            AddType(nested, uses);
        }
    }

    private static void AddCode(MethodBodyBlock body, Uses uses)
    {
        uses.Add(body.LocalSignature);
        foreach (ExceptionRegion region in body.ExceptionRegions)
        {
            uses.Add(region.CatchType);
        }

        BlobReader code = body.GetILReader();
        while (code.RemainingBytes > 0)
        {
            byte first = code.ReadByte();
            OpCode instruction = first == 0xfe ? s_twoBytes[code.ReadByte()] : s_oneByte[first];
            switch (instruction.OperandType)
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineSig
                    or OperandType.InlineTok or OperandType.InlineType:
                    uses.Add(MetadataTokens.EntityHandle(code.ReadInt32()));
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.InlineSwitch:
                    int cases = code.ReadInt32();
                    code.Offset += cases * sizeof(int);
                    break;
                default:
                    code.Offset += instruction.OperandType switch
                    {
                        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                        OperandType.InlineVar => 2,
                        OperandType.InlineI8 or OperandType.InlineR => 8,
                        _ => 4,
                    };
                    break;
            }
        }
    }

    private static List<DocumentHandle> DocumentsIn(BlobReader blob)
    {
        var documents = new List<DocumentHandle>();
        while (blob.RemainingBytes > 0)
        {
            documents.Add(MetadataTokens.DocumentHandle(blob.ReadCompressedInteger()));
        }

        return documents;
    }

    private static IEnumerable<DocumentHandle> DocumentsOf(MethodDebugInformation method) =>
        method.Document.IsNil && !method.SequencePointsBlob.IsNil
            ? method.GetSequencePoints().Select(point => point.Document)
            : [method.Document];

    /// <summary>Collects the types of one assembly that are named in its signatures.</summary>
    private sealed class Uses(MetadataReader metadata) : ISignatureTypeProvider<object?, object?>
    {
        public HashSet<TypeDefinitionHandle> Found { get; } = [];

        public void Add(EntityHandle used)
        {
            if (used.IsNil)
            {
                return;
            }

            switch (used.Kind)
            {
                case HandleKind.TypeDefinition:
                    Found.Add((TypeDefinitionHandle)used);
                    break;
                case HandleKind.TypeSpecification:
                    metadata.GetTypeSpecification((TypeSpecificationHandle)used).DecodeSignature(this, null);
                    break;
                case HandleKind.FieldDefinition:
                    FieldDefinition field = metadata.GetFieldDefinition((FieldDefinitionHandle)used);
                    Found.Add(field.GetDeclaringType());
                    field.DecodeSignature(this, null);
                    break;
                case HandleKind.MethodDefinition:
                    MethodDefinition method = metadata.GetMethodDefinition((MethodDefinitionHandle)used);
                    Found.Add(method.GetDeclaringType());
                    method.DecodeSignature(this, null);
                    break;
                case HandleKind.MethodSpecification:
                    MethodSpecification generic = metadata.GetMethodSpecification((MethodSpecificationHandle)used);
                    generic.DecodeSignature(this, null);
                    Add(generic.Method);
                    break;
                case HandleKind.MemberReference:
                    AddMember(metadata.GetMemberReference((MemberReferenceHandle)used));
                    break;
                case HandleKind.StandaloneSignature:
                    AddSignature(metadata.GetStandaloneSignature((StandaloneSignatureHandle)used));
                    break;
                default:
                    break; // of another assembly
            }
        }

        public void AddAttributes(CustomAttributeHandleCollection attributes)
        {
            foreach (CustomAttributeHandle attribute in attributes)
            {
                Add(metadata.GetCustomAttribute(attribute).Constructor);
            }
        }

        public void AddConstraints(GenericParameterHandleCollection parameters)
        {
            foreach (GenericParameterConstraintHandle constraint in parameters
                .SelectMany(parameter => metadata.GetGenericParameter(parameter).GetConstraints()))
            {
                Add(metadata.GetGenericParameterConstraint(constraint).Type);
            }
        }

        public object? GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            Found.Add(handle);
            return null;
        }

        public object? GetTypeFromSpecification(
            MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind)
        {
            Add(handle);
            return null;
        }

        public object? GetArrayType(object? elementType, ArrayShape shape) => null;

        public object? GetByReferenceType(object? elementType) => null;

        public object? GetFunctionPointerType(MethodSignature<object?> signature) => null;

        public object? GetGenericInstantiation(object? genericType, ImmutableArray<object?> typeArguments) => null;

        public object? GetGenericMethodParameter(object? genericContext, int index) => null;

        public object? GetGenericTypeParameter(object? genericContext, int index) => null;

        public object? GetModifiedType(object? modifier, object? unmodifiedType, bool isRequired) => null;

        public object? GetPinnedType(object? elementType) => null;

        public object? GetPointerType(object? elementType) => null;

        public object? GetPrimitiveType(PrimitiveTypeCode typeCode) => null;

        public object? GetSZArrayType(object? elementType) => null;

        public object? GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => null;

        private void AddMember(MemberReference member)
        {
            Add(member.Parent);
            if (member.GetKind() == MemberReferenceKind.Field)
            {
                member.DecodeFieldSignature(this, null);
            }
            else
            {
                member.DecodeMethodSignature(this, null);
            }
        }

        private void AddSignature(StandaloneSignature signature)
        {
            if (signature.GetKind() == StandaloneSignatureKind.LocalVariables)
            {
                signature.DecodeLocalSignature(this, null);
            }
            else
            {
                signature.DecodeMethodSignature(this, null);
            }
        }
    }
}
