"""Why a file is not written: the closed list. The value is the text for people and for machines alike."""

from enum import StrEnum


class Reason(StrEnum):
    # what the file is
    NOT_AUDIO = "not an audio file that tagger knows"
    WRONG_SUFFIX = "the content is not what the suffix says"
    DAMAGED = "damaged file"
    CONTAINER = "a container that tagger does not write"

    ADTS = "AAC without a container (ADTS), which has no tags: it is heard, never written"
    MATROSKA = "Matroska or WebM: it is heard, never written"

    # where it lies and whose it is
    READ_ONLY_MODE = "the file's mode forbids writing"
    READ_ONLY_PLACE = "the file or its folder cannot be written to"
    READ_ONLY_FOLDER = (
        "it lies in a folder that is only read (library.read_only); take the folder out of that list to have it written"
    )
    HARD_LINKS = "the file has several hard links (tags.break_hardlinks allows it)"
    SPARSE = "the file has holes: an incomplete download"
    OWNER = "the file's owner or access rights could not be given back to it"
    DISK_FULL = "not enough space for a copy beside the file"
    BUSY = "another program has the file open for writing"

    # what became of the copy
    NOT_VERIFIED = "the changed copy did not pass its check"
    ANOTHER = "another recording is in its place now"
    NO_UNDO = "the undo record did not rebuild the file"

    # ID3 (MP3, WAV, AIFF)
    ID3_VERSION = "an ID3v2 version that tagger does not write"
    ID3_FLAGS = "an ID3v2 tag that is compressed, or guarded by a checksum or restrictions"
    ID3_DAMAGED = "damaged ID3v2 tag"
    ID3_TWICE = "several ID3v2 tags, of which a later one says something about genre or mood, or is out of place"
    ID3_SIZES = "an ID3v2.4 tag as old versions of iTunes wrote it, which other programs would no longer read whole"
    ID3_TOO_LARGE = "the ID3v2 tag would grow past what its size field can hold"

    # DSF, TTA, MP3
    DSF_SIZES = "a DSF whose declared size or place of its tag is wrong"
    APE_BESIDE = "a genre or mood in an APE tag at the end, which players would go on showing"

    # Vorbis comments (FLAC, Ogg)
    COMMENT_DAMAGED = "damaged Vorbis comment"
    COMMENT_TWICE = "several Vorbis comments, of which players show different ones"
    COMMENT_TOO_LARGE = "the Vorbis comment would grow past what a FLAC block can hold"

    # APE tags (Monkey's Audio, WavPack, Musepack)
    APE_DAMAGED = "damaged APE tag"
    APE_ITEM = "an APE tag with an item that other programs cannot read (its key or its text)"
    APE_READ_ONLY = "an APE tag, or a genre, mood or TAGGER_ item of it, that is marked as read-only"
    APE_VERSION = "an APE tag of a version that cannot hold this"
    APE_TWICE = "more than one APE tag"
    APE_HIDDEN = "tags at the end behind which other programs find no APE tag"
    APE_AS_AUDIO = "a Musepack 8 file with an ID3v1 tag and no APE tag (FFmpeg would play a new one in front of it)"
    APE_TOO_LARGE = "an APE tag larger than tagger writes"

    # Ogg
    OGG_CHAINED = "chained Ogg file"
    OGG_MULTIPLEXED = "multiplexed Ogg file"
    OGG_OTHER = "an Ogg file that begins with another stream (video, Skeleton) than one that tagger writes"
    OGG_CRC = "an Ogg header page with a wrong checksum"
    OGG_GAP = "a missing Ogg page"
    OGG_TRAILING = "bytes that are no Ogg page"

    # WAV, AIFF
    RIFF_STREAMED = "WAV or AIFF without its size (streamed)"
    RIFF_64 = "a 64-bit WAV"
    RIFF_PADDING = "an odd chunk without its pad byte"
    RIFF_BEHIND = "a WAV or AIFF with tags behind its declared end, and something else there"
    RIFF_TWO_TAGS = "more than one ID3 or INFO chunk"
    RIFF_TOO_LARGE = "the file would grow past what its size field can hold"

    # MP4
    MP4_FRAGMENTED = "a fragmented MP4"
    MP4_OFFSETS = "an MP4 whose offset tables do not lead to its audio"
    MP4_BESIDE = "a genre, mood or TAGGER_ field in an MP4's QuickTime metadata, which players would go on showing"
    MP4_LAYOUT = "an MP4 whose metadata is laid out in a way that tagger does not write"

    # WMA, ASF
    ASF_PROTECTED = "a WMA file that is protected or signed (DRM)"
    ASF_STREAM = "a WMA file with a stream of commands, with which its copy could not be checked"
    ASF_TWICE = "a WMA file with its header, or a part of it, more than once"
    ASF_TOO_LARGE = "a value would grow past what a WMA attribute can hold"
