using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace PtxLosses.Torch;

/// <summary>
/// Lets TorchSharp's native library load beside a C++ library older than that of GCC 13, as of Debian 12 and Ubuntu 22.04, with
/// which libtorch itself is content.
/// </summary>
/// <remarks>
/// It asks for the version GLIBCXX_3.4.32 for the sake of one symbol, <c>std::ios_base_library_init</c>, a call that an older
/// library does not need. In this program's own copy of the file that version becomes a weak need and the symbol a harmless
/// function of the C library. The copy is a new file, renamed to the old name: the old one may be a link to that of the package
/// cache. Sources: the System V ABI, "Symbol Versioning" of the Linux Standard Base, and elf(5).
/// </remarks>
internal static class OlderLinux
{
    private const string Version = "GLIBCXX_3.4.32", Symbol = "_ZSt21ios_base_library_initv", Harmless = "sched_yield";
    private const uint DynamicSymbols = 11, VersionNeeds = 0x6ffffffe, SymbolVersions = 0x6fffffff;
    private const ushort Weak = 2, Global = 1;

    /// <summary>Changes the library of this program, where it would not load as it is.</summary>
    public static void Prepare()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libstdc++.so.6", out nint library)
            || NativeLibrary.TryGetExport(library, Symbol, out _))
        {
            return;
        }

        foreach (string path in Directory.EnumerateFiles(
            AppContext.BaseDirectory, "libLibTorchSharp.so", SearchOption.AllDirectories))
        {
            byte[] elf = File.ReadAllBytes(path);
            if (Relax(elf))
            {
                string changed = $"{path}.{Environment.ProcessId}";
                File.WriteAllBytes(changed, elf);
                File.Move(changed, path, overwrite: true);
            }
        }
    }

    /// <summary>Changes the bytes of a library, if it needs that version.</summary>
    private static bool Relax(byte[] elf)
    {
        (uint Type, int Offset, int Size, int Link)[] sections = new (uint, int, int, int)[U16(0x3A + 2)];
        for (int i = 0; i < sections.Length; i++)
        {
            int header = Offset(0x28) + (i * U16(0x3A));
            sections[i] = (U32(header + 4), Offset(header + 24), Offset(header + 32), (int)U32(header + 40));
        }

        var symbols = sections.First(section => section.Type == DynamicSymbols);
        int strings = sections[symbols.Link].Offset, versions = sections.First(section => section.Type == SymbolVersions).Offset;
        if (!Weaken(sections.First(section => section.Type == VersionNeeds).Offset))
        {
            return false;
        }

        for (int i = 0; i < symbols.Size / 24; i++)
        {
            int name = strings + (int)U32(symbols.Offset + (i * 24));
            if (Text(name) == Symbol)
            {
                Encoding.ASCII.GetBytes(Harmless + "\0").CopyTo(elf, name);
                BinaryPrimitives.WriteUInt16LittleEndian(elf.AsSpan(versions + (i * 2)), Global);
            }
        }

        return true;

        bool Weaken(int need)
        {
            bool found = false;
            for (int next = -1; next != 0; need += next)
            {
                next = (int)U32(need + 12);
                int entry = need + (int)U32(need + 8);
                for (int i = U16(need + 2); i > 0; i--)
                {
                    if (Text(strings + (int)U32(entry + 8)) == Version)
                    {
                        found = (U16(entry + 4) & Weak) == 0;
                        BinaryPrimitives.WriteUInt16LittleEndian(elf.AsSpan(entry + 4), (ushort)(U16(entry + 4) | Weak));
                    }

                    entry += (int)U32(entry + 12);
                }
            }

            return found;
        }

        ushort U16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(elf.AsSpan(at));
        uint U32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(elf.AsSpan(at));
        int Offset(int at) => checked((int)BinaryPrimitives.ReadUInt64LittleEndian(elf.AsSpan(at)));
        string Text(int at) => Encoding.ASCII.GetString(elf.AsSpan(at, elf.AsSpan(at).IndexOf((byte)0)));
    }
}
