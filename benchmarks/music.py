"""Thirty four-minute tracks in four formats, every one another recording; made once, kept in build/bench."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
SECONDS = 240
ENCODERS = {
    "mp3": ("-c:a", "libmp3lame", "-b:a", "192k"),
    "flac": ("-c:a", "flac"),
    "opus": ("-c:a", "libopus", "-b:a", "128k"),
    "m4a": ("-c:a", "aac", "-b:a", "160k"),
}


def tracks(count: int = 30) -> list[Path]:
    """The tracks, formats in turn. Real music from ../shared where it is there, else generated sound."""
    folder = BUILD / "music"
    folder.mkdir(parents=True, exist_ok=True)
    suffixes = list(ENCODERS)
    paths = [folder / f"{number:02d}.{suffixes[number % len(suffixes)]}" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            _make(path, number)
    return paths


def _make(path: Path, number: int) -> None:
    part = path.with_name("part-" + path.name)
    rate = "48000" if path.suffix == ".opus" else "44100"
    form = [
        "-t",
        str(SECONDS),
        "-af",
        f"aresample={rate},asetpts=N/SR/TB",
        "-ar",
        rate,
        "-ac",
        "2",
        "-map_metadata",
        "-1",
        *ENCODERS[path.suffix[1:]],
    ]
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *_source(number), *form, str(part)], check=True)
    part.rename(path)


def _source(number: int) -> list[str]:
    songs = sorted((ROOT.parent / "shared" / "data" / "tracks").glob("*.*"))
    songs = [song for song in songs if song.suffix in (".mp3", ".ogg", ".m4a", ".webm", ".opus", ".flac")]
    if songs:
        return ["-stream_loop", "-1", "-ss", str(1 + number), "-i", str(songs[number % len(songs)]), "-vn"]
    tones = "+".join(f"0.1*sin({110 * (k + 1) + number}*2*PI*t)*gt(mod(t*{k + 1}\\,2)\\,1)" for k in range(4))
    return ["-f", "lavfi", "-i", f"aevalsrc={tones}+0.02*random(0)|{tones}+0.02*random(1)"]
