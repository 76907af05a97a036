"""Which names are taken for audio; what is in them is found out later, by content."""

AUDIO = frozenset(
    b".mp3 .mp2 .mpga .flac .fla .ogg .oga .opus .spx .m4a .m4b .mp4 .aac .wav .wave .aif .aiff .aifc "
    b".wma .asf .ape .wv .mpc .mp+ .dsf .tta .mka .webm .weba".split()
)
