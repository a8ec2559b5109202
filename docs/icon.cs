// Draws the icon of the package: a softmax, its target, and what the target's probability lacks to 1. From the repository's root:
//
//     dotnet run docs/icon.cs

using System.Buffers.Binary;
using System.IO.Compression;

const int Size = 128;
const int Samples = 4; // per pixel and direction
const double Base = 108, Top = 20; // where probabilities are 0 and 1
const double BarWidth = 13, BarStep = 17, FirstBar = 15;

double[] logits = [0.2, 1.3, 0.5, 2.2, 0.9, -0.1];
const int Target = 3;
double sum = logits.Sum(Math.Exp);

byte[] scanLines = new byte[Size * (1 + (4 * Size))]; // each: filter 0, then RGBA
for (int y = 0; y < Size; y++)
{
    for (int x = 0; x < Size; x++)
    {
        (double Red, double Green, double Blue, double Alpha) mean = default;
        for (int sample = 0; sample < Samples * Samples; sample++)
        {
            double right = ((sample % Samples) + 0.5) / Samples, down = ((sample / Samples) + 0.5) / Samples;
            (int red, int green, int blue, int alpha) = ColorAt(x + right, y + down);
            mean = (mean.Red + (red * alpha), mean.Green + (green * alpha), mean.Blue + (blue * alpha), mean.Alpha + alpha);
        }

        Span<byte> pixel = scanLines.AsSpan((y * (1 + (4 * Size))) + 1 + (4 * x), 4);
        if (mean.Alpha > 0)
        {
            pixel[0] = (byte)Math.Round(mean.Red / mean.Alpha);
            pixel[1] = (byte)Math.Round(mean.Green / mean.Alpha);
            pixel[2] = (byte)Math.Round(mean.Blue / mean.Alpha);
            pixel[3] = (byte)Math.Round(mean.Alpha * 255 / (Samples * Samples));
        }
    }
}

using FileStream file = File.Create("docs/icon.png");
file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
WriteChunk("IHDR"u8, [0, 0, 0, Size, 0, 0, 0, Size, 8, 6, 0, 0, 0]); // 8 bits per channel, RGBA
using (var packed = new MemoryStream())
{
    using (var zlib = new ZLibStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
    {
        zlib.Write(scanLines);
    }

    WriteChunk("IDAT"u8, packed.ToArray());
}

WriteChunk("IEND"u8, []);

(int Red, int Green, int Blue, int Alpha) ColorAt(double x, double y)
{
    if (!IsInRoundedSquare(x, y, 0, 0, Size, Size, 24))
    {
        return default;
    }

    for (int i = 0; i < logits.Length; i++)
    {
        double left = FirstBar + (i * BarStep);
        double top = Base - ((Base - Top) * Math.Exp(logits[i]) / sum);
        if (IsInRoundedSquare(x, y, left, top, left + BarWidth, Base, 3))
        {
            return i == Target ? (255, 159, 67, 1) : (126, 167, 226, 1);
        }

        if (i == Target && IsInRoundedSquare(x, y, left, Top, left + BarWidth, Base, 3))
        {
            return (92, 74, 76, 1);
        }
    }

    return (27, 38, 66, 1);
}

static bool IsInRoundedSquare(double x, double y, double left, double top, double right, double bottom, double radius)
{
    double dx = Math.Max(Math.Max(left + radius - x, x - right + radius), 0);
    double dy = Math.Max(Math.Max(top + radius - y, y - bottom + radius), 0);
    return (dx * dx) + (dy * dy) <= radius * radius;
}

void WriteChunk(ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
{
    byte[] chunk = [0, 0, 0, 0, .. type, .. data, 0, 0, 0, 0];
    BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
    BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(chunk.Length - 4), Crc32(chunk.AsSpan(4, chunk.Length - 8)));
    file.Write(chunk);
}

static uint Crc32(ReadOnlySpan<byte> data)
{
    uint crc = uint.MaxValue;
    foreach (byte value in data)
    {
        crc ^= value;
        for (int bit = 0; bit < 8; bit++)
        {
            crc = (crc >> 1) ^ (0xEDB88320 & (uint)-(int)(crc & 1));
        }
    }

    return ~crc;
}
