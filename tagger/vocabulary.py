"""Labels, aliases and parents: pure data and look-ups, no other room is needed to read them."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

VERSION = 1
"""Stored beside canonical labels in the catalog; a new table of aliases makes them be derived again."""

GENRES = (
    "ambient",
    "blues",
    "classical",
    "country",
    "disco",
    "electronic",
    "folk",
    "hip-hop",
    "jazz",
    "latin",
    "metal",
    "pop",
    "r&b",
    "reggae",
    "rock",
    "soundtrack",
    "world",
)

MOODS = ("happy", "angry", "sad", "calm")
"""The quadrants of the valence-arousal plane: V+A+, V-A+, V-A-, V+A-."""

EMOTIONS = (
    ("tense", "energetic", "excited"),
    ("gloomy", "neutral", "cheerful"),
    ("melancholic", "mellow", "serene"),
)
"""Rows: arousal high, middle, low. Columns: valence low, middle, high."""

EMOTION_WORDS = tuple(word for row in EMOTIONS for word in row)

_SAME = {
    "ambient": "ambience",
    "classical": "classic; classics; klassik; classique; clasica; classical music",
    "country": "country and western; country western",
    "electronic": "electronica; electro; electronic music; edm; electronic dance music; elektronisch; electronique",
    "folk": "folk music; folklore; folkmusik",
    "hip-hop": "hip hop; hiphop; rap; hip hop and rap; rap and hip hop; hip hop rap; rap hip hop",
    "latin": "latin music; latino; latina; musica latina",
    "metal": "heavy metal; metall",
    "pop": "pop music; popmusik",
    "r&b": "rnb; rhythm and blues; r and b and soul; rnb and soul; r and b soul; soul and r and b",
    "rock": "rock music",
    "soundtrack": "soundtracks; ost; original soundtrack; score; film score; movie soundtrack; bande originale",
    "world": "world music; worldbeat; weltmusik; ethnic; international; musiques du monde",
}
"""Other spellings and names of the labels themselves, separated by semicolons."""

_BELOW = {
    "ambient": """
        dark ambient; drone; drone ambient; ambient drone; space ambient; space music; new age; meditation; chillout;
        chill out; chill; downtempo; soundscape; field recording; field recordings; ambient house; ambient techno;
        psybient; lo fi ambient; nature sounds; berlin school
        """,
    "blues": """
        delta blues; chicago blues; electric blues; country blues; acoustic blues; texas blues; jump blues; piedmont
        blues; memphis blues; louisiana blues; piano blues; swamp blues; boogie woogie; blues rock; soul blues;
        british blues; punk blues; gospel blues; modern blues; jazz blues
        """,
    "classical": """
        baroque; romantic; renaissance; medieval; early music; opera; operetta; symphony; chamber music; orchestral;
        choral; concerto; sonata; string quartet; impressionism; minimalism; minimal music; modern classical;
        contemporary classical; neoclassical; neoclassicism; modern composition; avant garde classical; serialism;
        twelve tone; gregorian chant; gregorian; chant; sacred music; solo piano; lied; lieder; oratorio; cantata;
        requiem; ballet; waltz; classical crossover; art song
        """,
    "country": """
        bluegrass; honky tonk; outlaw country; alt country; alternative country; americana; nashville; nashville
        sound; country rock; country pop; country folk; western; western swing; cowboy; bakersfield; bakersfield
        sound; bro country; cowpunk; red dirt; contemporary country; traditional country; progressive country; texas
        country; urban cowboy
        """,
    "disco": """
        italo disco; euro disco; eurodisco; nu disco; disco house; space disco; disco funk; hi nrg; boogie; post disco
        """,
    "electronic": """
        techno; house; trance; dance; rave; idm; intelligent dance music; drum and bass; dnb; jungle; dubstep;
        brostep; breakbeat; breaks; big beat; bigbeat; trip hop; triphop; downtempo; glitch; glitch hop; synthpop;
        synth pop; electropop; synthwave; retrowave; vaporwave; chillwave; future bass; future garage; uk garage;
        garage house; 2 step; deep house; tech house; progressive house; electro house; acid house; chicago house;
        french house; minimal techno; acid techno; detroit techno; hard techno; psytrance; goa; goa trance;
        psychedelic trance; progressive trance; vocal trance; hardcore techno; gabber; hardstyle; happy hardcore;
        eurodance; euro techno; euro house; italo disco; nu disco; electroclash; industrial; ebm; electronic body
        music; aggrotech; futurepop; dark electro; electro industrial; power noise; chiptune; 8bit; bitpop; grime;
        footwork; juke; moombahton; hi nrg; freestyle; electro swing; nu jazz; lo fi house; tropical house; bassline;
        leftfield; experimental electronic; krautrock; berlin school; ambient techno; ambient house; psybient; witch
        house; hyperpop; microhouse; electro funk; dub techno; bass music; turntablism
        """,
    "folk": """
        singer songwriter; contemporary folk; traditional folk; indie folk; folk rock; folk pop; celtic; celtic folk;
        irish folk; irish; scottish; nordic folk; neofolk; dark folk; freak folk; psychedelic folk; anti folk; protest
        song; sea shanty; shanty; chanson; liedermacher; country folk; progressive folk; folktronica; klezmer; polka;
        british folk; american folk; fado; volksmusik; skiffle
        """,
    "hip-hop": """
        gangsta rap; gangsta; trap; conscious hip hop; east coast hip hop; west coast hip hop; southern hip hop; old
        school hip hop; alternative hip hop; underground hip hop; underground rap; boom bap; crunk; g funk; dirty
        south; drill; cloud rap; lo fi hip hop; lofi; jazz rap; pop rap; horrorcore; hardcore hip hop; hardcore rap;
        political hip hop; instrumental hip hop; christian hip hop; christian rap; french rap; deutschrap; emo rap;
        mumble rap; grime; hyphy; miami bass; rap rock; rapcore; abstract hip hop; experimental hip hop; turntablism;
        phonk; chopped and screwed; latin rap; latin hip hop
        """,
    "jazz": """
        bebop; bop; be bop; hard bop; post bop; cool jazz; free jazz; swing; big band; bigband; dixieland; ragtime;
        fusion; jazz fusion; jazz rock; smooth jazz; acid jazz; latin jazz; vocal jazz; gypsy jazz; manouche; jazz
        manouche; modal jazz; modern jazz; contemporary jazz; avant garde jazz; soul jazz; jazz funk; spiritual jazz;
        west coast jazz; nu jazz; new orleans jazz; chamber jazz; third stream; ethio jazz; afro cuban jazz; jazz
        blues; jazz rap; m base; stride; bossa nova; jazz pop; crossover jazz; trad jazz; traditional jazz; lounge
        jazz; electro swing
        """,
    "latin": """
        salsa; bachata; merengue; reggaeton; cumbia; tango; bossa nova; samba; mambo; rumba; cha cha; cha cha cha;
        bolero; mariachi; ranchera; banda; norteno; norteno banda; tejano; tropical; son cubano; latin pop; latin
        rock; latin jazz; latin rap; latin hip hop; mpb; musica popular brasileira; forro; axe; pagode; sertanejo;
        vallenato; tropicalia; flamenco; corrido; corridos; regional mexican; mexican; cuban; brazilian; dembow;
        urbano; urbano latino; latin trap; nueva cancion; nuevo flamenco; nuevo tango; rock en espanol; latin
        alternative; zouk; kizomba; bugalu; boogaloo; lambada; guaracha; danzon; afro cuban jazz; latin american
        """,
    "metal": """
        death metal; black metal; thrash metal; thrash; speed metal; power metal; doom metal; doom; gothic metal;
        symphonic metal; progressive metal; prog metal; folk metal; viking metal; pagan metal; nu metal; numetal;
        alternative metal; industrial metal; metalcore; deathcore; melodic death metal; melodeath; groove metal;
        sludge; sludge metal; stoner metal; post metal; djent; mathcore; grindcore; grind; hair metal; glam metal;
        nwobhm; drone metal; technical death metal; blackgaze; crossover thrash; funk metal; rap metal; christian
        metal; classic metal; post black metal; brutal death metal; atmospheric black metal; goregrind; neoclassical
        metal
        """,
    "pop": """
        dance pop; synthpop; synth pop; electropop; indie pop; teen pop; bubblegum; bubblegum pop; k pop; kpop; j pop;
        jpop; c pop; cantopop; mandopop; europop; britpop; art pop; baroque pop; chamber pop; power pop; pop rock; pop
        and rock; country pop; latin pop; folk pop; jazz pop; dream pop; noise pop; twee pop; adult contemporary; easy
        listening; soft rock; vocal pop; crooner; schlager; italo pop; french pop; yeye; ye ye; sunshine pop; boy
        band; girl group; new wave; sophisti pop; city pop; hyperpop; pop rap; traditional pop; brill building;
        oldies; 60s; 80s; singer songwriter; euro pop; anime; pop folk; chanson
        """,
    "r&b": """
        soul; neo soul; motown; funk; funk and soul; soul and funk; contemporary r and b; alternative r and b; quiet
        storm; new jack swing; northern soul; southern soul; philly soul; philadelphia soul; deep soul; blue eyed
        soul; psychedelic soul; p funk; urban contemporary; doo wop; gospel; soul blues; jazz funk; disco funk; g
        funk; electro funk; slow jam; chicago soul; memphis soul; go go; pbr and b; retro soul; soul jazz; trap soul
        """,
    "reggae": """
        dub; dancehall; ska; rocksteady; roots reggae; lovers rock; ragga; raggamuffin; reggae fusion; reggae pop; dub
        reggae; ska punk; two tone; 2 tone; third wave ska; reggaeton; dub poetry; nyahbinghi; soca
        """,
    "rock": """
        alternative rock; alternative; alt rock; alternative and punk; alternativ und punk; indie rock; indie; classic
        rock; hard rock; soft rock; punk; punk rock; post punk; pop punk; hardcore punk; post hardcore; screamo; emo;
        grunge; post grunge; progressive rock; prog rock; prog; art rock; psychedelic rock; psychedelic; psychedelia;
        acid rock; garage rock; surf; surf rock; rockabilly; psychobilly; rock and roll; southern rock; country rock;
        folk rock; blues rock; jazz rock; pop rock; pop and rock; latin rock; rock en espanol; glam rock; glam; gothic
        rock; gothic; goth; death rock; darkwave; dark wave; coldwave; new wave; shoegaze; dream pop; noise rock; math
        rock; post rock; space rock; stoner rock; stoner; krautrock; symphonic rock; instrumental rock; industrial
        rock; rap rock; rapcore; funk rock; electronic rock; britpop; power pop; college rock; jam band; arena rock;
        aor; album rock; heartland rock; roots rock; pub rock; yacht rock; britrock; slowcore; sadcore; oi; street
        punk; celtic punk; folk punk; ska punk; riot grrrl; anarcho punk; crust punk; cowpunk; piano rock; christian
        rock; no wave; madchester; 60s; 80s; british invasion; merseybeat; skate punk
        """,
    "soundtrack": """
        film music; filmmusik; movie score; tv soundtrack; video game; video game music; game music; game soundtrack;
        vgm; anime; musical; musical theater; musical theatre; showtunes; broadway; stage and screen; trailer music;
        bollywood; cinematic; epic music; original score; original cast recording
        """,
    "world": """
        african; afrobeat; afrobeats; afropop; highlife; juju; soukous; mbalax; rai; gnawa; ethio jazz; celtic;
        indian; indian classical; hindustani; hindustani classical; carnatic; raga; bollywood; bhangra; qawwali; sufi;
        arabic; arab; middle eastern; persian; balkan; balkan brass; gypsy; klezmer; gamelan; asian; enka; mongolian;
        throat singing; tuvan; hawaiian; polynesian; aboriginal; native american; andean; flamenco; fado; calypso;
        soca; zouk; kizomba; mento; cajun; zydeco; caribbean; rembetika; rebetiko; taiko; world fusion; ethnic fusion;
        afro; kuduro; kwaito; amapiano; mbaqanga; desert blues; tuareg; morna; griot
        """,
}
"""Kinds of music that lie below a label, or below two: they are then looked for under both."""

_SEPARATORS = re.compile(r"\s*[;/,|\\\0]\s*|\s+[-+\u2013]\s+")


def normalize(text: str) -> str:
    """A genre's words without case, accents, hyphens and apostrophes; "&" and a lone n are "and"."""
    plain = "".join(mark for mark in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(mark))
    words = re.sub(r"[^\w&]+|_", " ", plain.replace("&", " and ").replace("+", " and ")).split()
    return " ".join("and" if word == "n" else word for word in words)


@cache
def _labels() -> dict[str, str]:
    """Every spelling of a label -> the label. Built on first use: most commands never ask."""
    spelt = {normalize(label): label for label in GENRES}
    return spelt | {normalize(name): label for label, names in _SAME.items() for name in names.split(";")}


@cache
def _parents() -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for label, names in _BELOW.items():
        for key in map(normalize, names.split(";")):
            table[key] = table.get(key, frozenset()) | {label}
    return table


def known_label(text: str) -> str | None:
    """The label that a word names, by itself or by another spelling ("Hip Hop", "RnB"); None for a kind below one."""
    return _labels().get(normalize(text))


def canonical_genres(text: str) -> tuple[str, ...]:
    """The labels that a genre, as it stands in a file, belongs to, in the order of GENRES; empty when unknown.

    The whole text is looked up first, then its parts between ";", "/", "," and the like. Of a part that is
    in no table, the first words are left away until the rest is known: "Norwegian Black Metal" is metal.
    """
    found = _exact(normalize(text))
    if not found:
        found = frozenset().union(*(_by_last_words(normalize(part)) for part in _SEPARATORS.split(text)))
    return tuple(label for label in GENRES if label in found)


def _exact(words: str) -> frozenset[str]:
    label = _labels().get(words)
    return frozenset((label,)) if label else _parents().get(words, frozenset())


def _by_last_words(words: str) -> frozenset[str]:
    rest = words.removesuffix(" music")
    while rest:
        if found := _exact(rest):
            return found
        rest = rest.partition(" ")[2]
    return frozenset()


def parts(text: str) -> tuple[str, ...]:
    """The words of a genre that lists several, normalized, each once: "Bebop; Live" is bebop and live."""
    return tuple(dict.fromkeys(filter(None, map(normalize, _SEPARATORS.split(text)))))


def genre_words() -> dict[str, tuple[str, ...]]:
    """Every known genre word, normalized, and the labels it belongs to."""
    return {word: canonical_genres(word) for word in sorted(_labels().keys() | _parents().keys())}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, or None when none looks like it at all."""
    import difflib  # only an error needs it

    by_folded = {candidate.casefold(): candidate for candidate in known}
    matches = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[matches[0]] if matches else None
