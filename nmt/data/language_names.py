"""English names of languages, and the script that each is usually written in.

Codes are those of ISO 639-1, 639-2 and 639-3 with the subtags of BCP 47 or of a POSIX locale, as in
`nmt.data.languages`. The tables are from CLDR 49 (English display names, aliases and likely subtags), read with Babel
2.19; extinct scripts are left out. The data is Copyright Unicode, Inc., Unicode License v3.
"""

from dataclasses import dataclass
from functools import lru_cache

from nmt.data.languages import split_code

_NAMES = """\
aa/aar Afar; ab/abk Abkhazian; ace Acehnese; ach Acoli; ada Adangme; ady Adyghe; ae/ave Avestan; aeb/ajt Tunisian
Arabic; af/afr Afrikaans; afh Afrihili; agq Aghem; ain Ainu; ak/aka Akan; akk Akkadian; akz Alabama; ale Aleut; aln
Gheg Albanian; alt Southern Altai; am/amh Amharic; an/arg Aragonese; ang Old English; ann Obolo; anp Angika; apw
Western Apache; ar/ara/arb Arabic; arc Aramaic; arn Mapuche; aro Araona; arp Arapaho; arq Algerian Arabic; ars Najdi
Arabic; arw Arawak; ary Moroccan Arabic; arz Egyptian Arabic; as/asm Assamese; asa Asu; ase American Sign Language;
ast Asturian; atj Atikamekw; av/ava Avaric; avk Kotava; awa Awadhi; ay/aym/ayr Aymara; az/aze/azj Azerbaijani;
ba/bak Bashkir; bal/bcc Baluchi; ban Balinese; bar Bavarian; bas Basaa; bax Bamun; bbc Batak Toba; bbj Ghomala;
be/bel Belarusian; bej Beja; bem Bemba; bew Betawi; bez Bena; bfd Bafut; bfq Badaga; bg/bul Bulgarian; bgc Haryanvi;
bgn Western Balochi; bho/bh Bhojpuri; bi/bis Bislama; bik/bcl Bikol; bin Bini; bjn Banjar; bkm Kom; bla Siksiká; blo
Anii; blt Tai Dam; bm/bam Bambara; bn/ben Bangla; bo/bod/tib Tibetan; bpy Bishnupriya; bqi Bakhtiari; br/bre Breton;
bra Braj; brh Brahui; brx Bodo; bs/bos Bosnian; bss Akoose; bua/bxr Buriat; bug Buginese; bum Bulu; byn Blin; byv
Medumba; ca/cat Catalan; cad Caddo; car Carib; cay Cayuga; cch Atsam; ccp Chakma; ce/che Chechen; ceb Cebuano; cgg
Chiga; ch/cha Chamorro; chb Chibcha; chg Chagatai; chk Chuukese; chm/mhr Mari; chn Chinook Jargon; cho Choctaw; chp
Chipewyan; chr Cherokee; chy Cheyenne; cic Chickasaw; ckb Central Kurdish; clc Chilcotin; co/cos Corsican; cop
Coptic; cps Capiznon; cr/cre/cwd Cree; crg Michif; crh Crimean Tatar; crj Southern East Cree; crk Plains Cree; crl
Northern East Cree; crm Moose Cree; crr/pmk Carolina Algonquian; crs Seselwa Creole French; cs/ces/cze Czech; csb
Kashubian; csw Swampy Cree; cu/chu Church Slavic; cv/chv Chuvash; cy/cym/wel Welsh; da/dan Danish; dak Dakota; dar
Dargwa; dav Taita; de/deu/ger German; del/umu Delaware; den/xsl Slave; dgr Dogrib; din/dik Dinka; dje Zarma; doi/dgo
Dogri; dsb Lower Sorbian; dtp/ktr/kzj/kzt/tdu Central Dusun; dua Duala; dum Middle Dutch; dv/div Divehi; dyo
Jola-Fonyi; dyu Dyula; dz/adp/dzo Dzongkha; dzg Dazaga; ebu Embu; ee/ewe Ewe; efi Efik; egl Emilian; egy Ancient
Egyptian; eka Ekajuk; el/ell/gre Greek; elx Elamite; en/eng English; enm/yol Middle English; eo/epo Esperanto;
es/spa Spanish; esu Central Yupik; et/ekk/est Estonian; eu/baq/eus Basque; ewo Ewondo; ext Extremaduran;
fa/fas/per/pes Persian; fan Fang; fat Fanti; ff/fuc/ful Fula; fi/fin Finnish; fil Filipino; fit Tornedalen Finnish;
fj/fij Fijian; fo/fao Faroese; fon Fon; fr/fra/fre French; frc Cajun French; frm Middle French; fro Old French; frp
Arpitan; frr Northern Frisian; frs Eastern Frisian; fur Friulian; fy/fry Western Frisian; ga/gle Irish; gaa Ga; gag
Gagauz; gan Gan Chinese; gay Gayo; gba/gya Gbaya; gbz Zoroastrian Dari; gd/gla Scottish Gaelic; gez Geez; gil
Gilbertese; gl/glg Galician; glk Gilaki; gmh Middle High German; gn/grn/gug Guarani; goh Old High German; gon/gno
Gondi; gor Gorontalo; got Gothic; grb/gbo Grebo; grc Ancient Greek; gsw Swiss German; gu/guj/prp Gujarati; guc
Wayuu; gur Frafra; guz Gusii; gv/glv Manx; gwi Gwich'in; ha/hau Hausa; hai/hdn Haida; hak Hakka Chinese; haw
Hawaiian; hax Southern Haida; he/heb/iw Hebrew; hi/hin Hindi; hif Fiji Hindi; hil Hiligaynon; hit Hittite; hmn/hea
Hmong; hnj Hmong Njua; ho/hmo Hiri Motu; hr/hrv/scr Croatian; hsb Upper Sorbian; hsn Xiang Chinese; ht/hat Haitian
Creole; hu/hun Hungarian; hup Hupa; hur Halkomelem; hy/arm/hye Armenian; hz/her Herero; ia/ina Interlingua;
iba/blg/snb Iban; ibb Ibibio; id/in/ind Indonesian; ie/ile Interlingue; ig/ibo Igbo; ii/iii Sichuan Yi; ik/esk/ipk
Inupiaq; ikt Western Canadian Inuktitut; ilo Iloko; inh Ingush; io/ido Ido; is/ice/isl Icelandic; it/ita Italian;
iu/ike/iku Inuktitut; izh Ingrian; ja/jpn Japanese; jam Jamaican Creole English; jbo Lojban; jgo Ngomba; jmc
Machame; jpr Judeo-Persian; jrb/aju Judeo-Arabic; jut Jutish; jv/jav/jw Javanese; ka/geo/kat Georgian; kaa
Kara-Kalpak; kab Kabyle; kac Kachin; kaj Jju; kam Kamba; kaw Kawi; kbd Kabardian; kbl Kanembu; kcg Tyap; kde
Makonde; kea Kabuverdianu; kek Q'eqchi'; ken Kenyang; kfo Koro; kg/kng/kon Kongo; kgp Kaingang; kha Khasi; kho
Khotanese; khq Koyra Chiini; khw Khowar; ki/kik Kikuyu; kiu Kirmanjki; kj/kua Kuanyama; kk/kaz Kazakh; kkj Kako;
kl/kal Kalaallisut; kln/spy Kalenjin; km/khm Khmer; kmb/smd Kimbundu; kn/kan Kannada; ko/kor Korean; koi
Komi-Permyak; kok/gom Konkani; kos Kosraean; kpe/xpe Kpelle; kr/kau/knc Kanuri; krc Karachay-Balkar; kri Krio; krj
Kinaray-a; krl Karelian; kru/kxl Kurukh; ks/kas Kashmiri; ksb Shambala; ksf Bafia; ksh Colognian; ku/kmr/kur
Kurdish; kum Kumyk; kut Kutenai; kv/kom/kpv Komi; kw/cor Cornish; kwk Kwak'wala; kxv Kuvi; ky/kir Kyrgyz; la/lat
Latin; lad Ladino; lag Langi; lah/pnb Western Panjabi; lam Lamba; lb/ltz Luxembourgish; lez Lezghian; lfn Lingua
Franca Nova; lg/lug Ganda; li/lim Limburgish; lij Ligurian; lil Lillooet; liv Livonian; lkt Lakota; lld Ladin; lmo
Lombard; ln/lin Lingala; lo/lao Lao; lol Mongo; lou Louisiana Creole; loz Lozi; lrc Northern Luri; lsm Saamia;
lt/lit Lithuanian; ltg Latgalian; lu/lub Luba-Katanga; lua Luba-Lulua; lui Luiseno; lun Lunda; luo Luo; lus Mizo;
luy/bxk Luyia; lv/lav/lvs Latvian; lzh Literary Chinese; lzz Laz; mad Madurese; maf Mafa; mag Magahi; mai Maithili;
mak Makasar; man/emk Mandingo; mas Masai; mde Maba; mdf Moksha; mdr Mandar; men Mende; mer Meru; mfe Morisyen;
mg/mlg/plt Malagasy; mga Middle Irish; mgh Makhuwa-Meetto; mgo Meta'; mh/mah Marshallese; mi/mao/mri Māori; mic
Mi'kmaw; mid Mandaic; min Minangkabau; mk/mac/mkd Macedonian; ml/mal Malayalam; mn/drh/khk/mon Mongolian; mnc
Manchu; mni Manipuri; moe Innu-aimun; moh Mohawk; mos Mossi; mr/mar Marathi; mrj Western Mari; ms/may/msa/zsm Malay;
mt/mlt Maltese; mua Mundang; mus Muscogee; mwl Mirandese; mwr/dhd Marwari; mwv Mentawai; my/bur/mya Burmese; mye
Myene; myv Erzya; mzn Mazanderani; na/nau Nauru; nan Min Nan Chinese; nap Neapolitan; naq Nama; nb/nob Norwegian
Bokmål; nd/nde North Ndebele; nds Low German; ne/nep/npi Nepali; new Newari; ng/ndo Ndonga; nia Nias; niu Niuean;
njo Ao Naga; nl/dut/nld Dutch; nmg Kwasio; nn/nno Norwegian Nynorsk; nnh Ngiemboon; nnp Wancho; no/nor Norwegian;
nog Nogai; non Old Norse; nov Novial; nqo N'Ko; nr/nbl South Ndebele; nso Northern Sotho; nus Nuer; nv/nav Navajo;
nwc Classical Newari; ny/nya Nyanja; nym Nyamwezi; nyn Nyankole; nyo Nyoro; nzi Nzima; oc/oci Occitan; oj/ojg/oji
Ojibwa; ojb Northwestern Ojibwa; ojc Central Ojibwa; ojs Oji-Cree; ojw Western Ojibwa; oka Okanagan; om/gaz/orm
Oromo; or/ori/ory Odia; os/oss Ossetic; osa Osage; ota Ottoman Turkish; pa/pan Punjabi; pag Pangasinan; pal Pahlavi;
pam Pampanga; pap Papiamento; pau Palauan; pcd Picard; pcm Nigerian Pidgin; pdc Pennsylvania German; pdt
Plautdietsch; peo Old Persian; pfl Palatine German; phn Phoenician; pi/pli Pali; pis Pijin; pl/pol Polish; pms
Piedmontese; pnt Pontic; pon Pohnpeian; pqm Maliseet-Passamaquoddy; prg Prussian; pro Old Provençal; ps/pbu/pus
Pashto; pt/por Portuguese; qu/que/quz Quechua; quc K'iche'; qug Chimborazo Highland Quichua; raj/mup Rajasthani; rap
Rapanui; rar Rarotongan; rej Rejang; rgn Romagnol; rhg Rohingya; rif Riffian; rm/roh Romansh; rn/run Rundi;
ro/mo/mol/ron/rum Romanian; rof Rombo; rom/rmy Romany; rtm Rotuman; ru/rus Russian; rue Rusyn; rug Roviana; rup
Aromanian; rw/kin Kinyarwanda; rwk Rwa; sa/cls/san Sanskrit; sad Sandawe; sah Yakut; sam Samaritan Aramaic; saq
Samburu; sas Sasak; sat Santali; saz Sourashtra; sba Ngambay; sbp Sangu; sc/srd Sardinian; scn Sicilian; sco Scots;
sd/snd Sindhi; sdc Sassarese Sardinian; sdh Southern Kurdish; se/sme Northern Sami; see Seneca; seh Sena; sei Seri;
sel Selkup; ses Koyraboro Senni; sg/sag Sango; sga Old Irish; sgs Samogitian; sh/hbs Serbo-Croatian; shi Tachelhit;
shn Shan; shu Chadian Arabic; si/sin Sinhala; sid Sidamo; sjd Kildin Sami; sje Pite Sami; sju Ume Sami; sk/slk/slo
Slovak; sl/slv Slovenian; slh Southern Lushootseed; sli Lower Silesian; sly Selayar; sm/smo Samoan; sma Southern
Sami; smj Lule Sami; smn Inari Sami; sms Skolt Sami; sn/sna Shona; snk Soninke; so/som Somali; sog Sogdien;
sq/alb/als/sqi Albanian; sr/scc/srp Serbian; srn Sranan Tongo; srr Serer; ss/ssw Swati; ssy Saho; st/sot Southern
Sotho; stq Saterland Frisian; str Straits Salish; su/sun Sundanese; suk Sukuma; sus Susu; sux Sumerian; sv/swe
Swedish; sw/swa/swh Swahili; swb Comorian; syc Classical Syriac; syr/cld Syriac; szl Silesian; ta/tam Tamil; tce
Southern Tutchone; tcy Tulu; te/tel Telugu; tem Timne; teo Teso; ter Tereno; tet Tetum; tg/tgk Tajik; tgx Tagish;
th/tha Thai; tht Tahltan; ti/tir Tigrinya; tig Tigre; tiv Tiv; tk/tuk Turkmen; tkl Tokelauan; tkr Tsakhur; tl/tgl
Tagalog; tlh Klingon; tli Tlingit; tly Talysh; tmh/ttq Tamashek; tn/tsn Tswana; to/ton Tongan; tog Nyasa Tonga; tok
Toki Pona; tpi Tok Pisin; tr/tur Turkish; tru Turoyo; trv Taroko; trw Torwali; ts/tso Tsonga; tsd Tsakonian; tsi
Tsimshian; tt/tat Tatar; ttm Northern Tutchone; ttt Muslim Tat; tum Tumbuka; tvl Tuvalu; tw/twi Twi; twq Tasawaq;
ty/tah Tahitian; tyv Tuvinian; tzm Central Atlas Tamazight; udm Udmurt; ug/uig Uyghur; uga Ugaritic; uk/ukr
Ukrainian; umb Umbundu; ur/urd Urdu; uz/uzb/uzn Uzbek; vai Vai; ve/ven Venda; vec Venetian; vep Veps; vi/vie
Vietnamese; vls West Flemish; vmf Main-Franconian; vmw Makhuwa; vo/vol Volapük; vot Votic; vro Võro; vun Vunjo;
wa/wln Walloon; wae Walser; wal Wolaytta; war Waray; was Washo; wbp Warlpiri; wo/wol Wolof; wuu Wu Chinese; xal
Kalmyk; xh/xho Xhosa; xmf Mingrelian; xnr Kangri; xog Soga; yao Yao; yap Yapese; yav Yangben; ybb Yemba;
yi/ji/ydd/yid Yiddish; yo/yor Yoruba; yrl Nheengatu; yue Cantonese; za/zha/zyb Zhuang; zap/zai Zapotec; zbl
Blissymbols; zea Zeelandic; zen Zenaga; zgh Standard Moroccan Tamazight; zh/chi/cmn/zho Chinese; zu/zul Zulu; zun
Zuni; zza/diq Zaza
"""
"""Each language: its codes, the shortest first, and its name. `src`, which is Sardinian in ISO 639-3, is left out: it
is the default of `data.source_language`."""

_SCRIPTS = {
    "Arab": "aeb ar arq ars ary arz bal bej bgn bqi brh chg ckb fa gbz glk khw ks lah lrc mde mzn ota ps sd sdh "
    "shu swb trw ug ur",
    "Armn": "hy",
    "Beng": "as bn bpy mni",
    "Cans": "cr crj crk crl crm csw iu oj ojs",
    "Cher": "chr",
    "Cyrl": "ab ady alt av ba be bg bua ce chm crh cu cv dar inh kaa kbd kk koi krc kum kv ky lez mdf mk mn mrj "
    "myv nog os ru rue sah sel sjd sr tg tt tyv udm uk xal",
    "Deva": "anp awa bgc bho bra brx doi gon hi hif kok kru mag mai mr mwr ne new raj sa xnr",
    "Ethi": "am byn gez ti tig wal",
    "Geor": "ka xmf",
    "Grek": "el grc pnt tsd",
    "Gujr": "gu",
    "Guru": "pa",
    "Hans": "gan hak hsn nan wuu zh",
    "Hant": "lzh yue",
    "Hebr": "he jpr jrb lad yi",
    "Jpan": "ja",
    "Khmr": "km",
    "Knda": "kn tcy",
    "Kore": "ko",
    "Laoo": "lo",
    "Mlym": "ml",
    "Mymr": "my shn",
    "Nkoo": "nqo",
    "Olck": "sat",
    "Orya": "or",
    "Sinh": "si",
    "Syrc": "syc syr",
    "Taml": "bfq ta",
    "Tavt": "blt",
    "Telu": "te",
    "Tfng": "shi zen zgh",
    "Thaa": "dv",
    "Thai": "th",
    "Tibt": "bo dz",
    "Vaii": "vai",
    "Yiii": "ii",
}
"""Languages by their likely script (ISO 15924); the others are written in Latin script."""

_SCRIPT_NAMES = """\
Arab Arabic; Armn Armenian; Beng Bangla; Cans Unified Canadian Aboriginal Syllabics; Cher Cherokee; Cyrl Cyrillic;
Deva Devanagari; Ethi Ethiopic; Geor Georgian; Grek Greek; Gujr Gujarati; Guru Gurmukhi; Hans Simplified; Hant
Traditional; Hebr Hebrew; Jpan Japanese; Khmr Khmer; Knda Kannada; Kore Korean; Laoo Lao; Latn Latin; Mlym
Malayalam; Mong Mongolian; Mymr Myanmar; Nkoo N'Ko; Olck Ol Chiki; Orya Odia; Sinh Sinhala; Syrc Syriac; Taml Tamil;
Tavt Tai Viet; Telu Telugu; Tfng Tifinagh; Thaa Thaana; Thai Thai; Tibt Tibetan; Vaii Vai; Yiii Yi
"""

_TERRITORIES = """\
001 world; 419 Latin America; AD Andorra; AE United Arab Emirates; AF Afghanistan; AG Antigua & Barbuda; AI
Anguilla; AL Albania; AM Armenia; AO Angola; AQ Antarctica; AR Argentina; AS American Samoa; AT Austria; AU
Australia; AW Aruba; AX Åland Islands; AZ Azerbaijan; BA Bosnia & Herzegovina; BB Barbados; BD Bangladesh; BE
Belgium; BF Burkina Faso; BG Bulgaria; BH Bahrain; BI Burundi; BJ Benin; BL St. Barthélemy; BM Bermuda; BN Brunei;
BO Bolivia; BQ Caribbean Netherlands; BR Brazil; BS Bahamas; BT Bhutan; BV Bouvet Island; BW Botswana; BY Belarus;
BZ Belize; CA Canada; CC Cocos (Keeling) Islands; CD Congo - Kinshasa; CF Central African Republic; CG Congo -
Brazzaville; CH Switzerland; CI Côte d'Ivoire; CK Cook Islands; CL Chile; CM Cameroon; CN China; CO Colombia; CR
Costa Rica; CU Cuba; CV Cape Verde; CW Curaçao; CX Christmas Island; CY Cyprus; CZ Czechia; DE Germany; DJ Djibouti;
DK Denmark; DM Dominica; DO Dominican Republic; DZ Algeria; EC Ecuador; EE Estonia; EG Egypt; EH Western Sahara; ER
Eritrea; ES Spain; ET Ethiopia; EU European Union; FI Finland; FJ Fiji; FK Falkland Islands; FM Micronesia; FO Faroe
Islands; FR France; GA Gabon; GB United Kingdom; GD Grenada; GE Georgia; GF French Guiana; GG Guernsey; GH Ghana; GI
Gibraltar; GL Greenland; GM Gambia; GN Guinea; GP Guadeloupe; GQ Equatorial Guinea; GR Greece; GS South Georgia &
South Sandwich Islands; GT Guatemala; GU Guam; GW Guinea-Bissau; GY Guyana; HK Hong Kong SAR China; HM Heard Island
& McDonald Islands; HN Honduras; HR Croatia; HT Haiti; HU Hungary; ID Indonesia; IE Ireland; IL Israel; IM Isle of
Man; IN India; IO British Indian Ocean Territory; IQ Iraq; IR Iran; IS Iceland; IT Italy; JE Jersey; JM Jamaica; JO
Jordan; JP Japan; KE Kenya; KG Kyrgyzstan; KH Cambodia; KI Kiribati; KM Comoros; KN St. Kitts & Nevis; KP North
Korea; KR South Korea; KW Kuwait; KY Cayman Islands; KZ Kazakhstan; LA Laos; LB Lebanon; LC St. Lucia; LI
Liechtenstein; LK Sri Lanka; LR Liberia; LS Lesotho; LT Lithuania; LU Luxembourg; LV Latvia; LY Libya; MA Morocco;
MC Monaco; MD Moldova; ME Montenegro; MF St. Martin; MG Madagascar; MH Marshall Islands; MK North Macedonia; ML
Mali; MM Myanmar (Burma); MN Mongolia; MO Macao SAR China; MP Northern Mariana Islands; MQ Martinique; MR
Mauritania; MS Montserrat; MT Malta; MU Mauritius; MV Maldives; MW Malawi; MX Mexico; MY Malaysia; MZ Mozambique; NA
Namibia; NC New Caledonia; NE Niger; NF Norfolk Island; NG Nigeria; NI Nicaragua; NL Netherlands; NO Norway; NP
Nepal; NR Nauru; NU Niue; NZ New Zealand; OM Oman; PA Panama; PE Peru; PF French Polynesia; PG Papua New Guinea; PH
Philippines; PK Pakistan; PL Poland; PM St. Pierre & Miquelon; PN Pitcairn Islands; PR Puerto Rico; PS Palestinian
Territories; PT Portugal; PW Palau; PY Paraguay; QA Qatar; RE Réunion; RO Romania; RS Serbia; RU Russia; RW Rwanda;
SA Saudi Arabia; SB Solomon Islands; SC Seychelles; SD Sudan; SE Sweden; SG Singapore; SH St. Helena, Ascension &
Tristan da Cunha; SI Slovenia; SJ Svalbard & Jan Mayen; SK Slovakia; SL Sierra Leone; SM San Marino; SN Senegal; SO
Somalia; SR Suriname; SS South Sudan; ST São Tomé & Príncipe; SV El Salvador; SX Sint Maarten; SY Syria; SZ
Eswatini; TC Turks & Caicos Islands; TD Chad; TF French Southern and Antarctic Lands; TG Togo; TH Thailand; TJ
Tajikistan; TK Tokelau; TL Timor-Leste; TM Turkmenistan; TN Tunisia; TO Tonga; TR Türkiye; TT Trinidad & Tobago; TV
Tuvalu; TW Taiwan; TZ Tanzania; UA Ukraine; UG Uganda; UM U.S. Outlying Islands; US United States; UY Uruguay; UZ
Uzbekistan; VA Vatican City; VC St. Vincent & Grenadines; VE Venezuela; VG British Virgin Islands; VI U.S. Virgin
Islands; VN Vietnam; VU Vanuatu; WF Wallis & Futuna; WS Samoa; XK Kosovo; YE Yemen; YT Mayotte; ZA South Africa; ZM
Zambia; ZW Zimbabwe
"""
"""Countries of ISO 3166 and two regions of UN M.49."""


def _table(text: str) -> dict[str, str]:
    """Return the names by their codes."""
    entries = (entry.split(maxsplit=1) for entry in text.split(";"))
    return {code: " ".join(name.split()) for codes, name in entries for code in codes.split("/")}


_LANGUAGE_NAMES = _table(_NAMES)
_SHORTEST = {
    code: entry.split("/")[0] for entry in (e.split()[0] for e in _NAMES.split(";")) for code in entry.split("/")
}
_LIKELY_SCRIPT = {code: script for script, codes in _SCRIPTS.items() for code in codes.split()}
_NAMES_OF_SCRIPTS = _table(_SCRIPT_NAMES)
_NAMES_OF_TERRITORIES = _table(_TERRITORIES)
_TRADITIONAL = frozenset({"TW", "HK", "MO"})
"""Territories where Chinese is written with traditional characters."""


@dataclass(frozen=True)
class CodeParts:
    """The parts of a language code that its name has, in their usual spelling."""

    language: str
    """The shortest code of the language, e.g. de for deu and zh for cmn; "" if it is unknown."""
    script: str
    """ISO 15924 code in the code itself, e.g. Hans; "" if it has none."""
    territory: str
    """ISO 3166 or UN M.49 code, e.g. BR or 419; "" if it has none."""

    @property
    def likely_script(self) -> str:
        """The script that texts are in; "" for unknown languages."""
        if self.script or not self.language:
            return self.script
        if self.language == "zh" and self.territory in _TRADITIONAL:
            return "Hant"
        return _LIKELY_SCRIPT.get(self.language, "Latn")


@lru_cache(maxsize=256)
def parse_code(code: str) -> CodeParts:
    """Return the parts of a language code."""
    first, *subtags = split_code(code)
    language, script, territory = first, "", ""
    for number, subtag in enumerate(subtags):
        if len(subtag) == 1:  # an extension or private use
            break
        if number == 0 and len(subtag) == 3 and subtag in _SHORTEST:  # extended language: zh-yue
            language = subtag
        elif not territory and not script and subtag.title() in _NAMES_OF_SCRIPTS:
            script = subtag.title()
        elif not territory and subtag.upper() in _NAMES_OF_TERRITORIES:
            territory = subtag.upper()
    return CodeParts(_SHORTEST.get(language, ""), script, territory)


def all_codes() -> list[str]:
    """Return the shortest code of each language, and the one of Chinese in traditional characters."""
    return [*dict.fromkeys(_SHORTEST.values()), "zh-Hant"]


def find_language(text: str) -> str:
    """Return the code of a language that is given by its code or its English name, in upper or lower case; "" if there
    is none.

    A code without subtags becomes the shortest one: de for deu and German.
    """
    wanted = " ".join(text.split())
    parts = parse_code(wanted) if " " not in wanted else CodeParts("", "", "")
    if parts.language:
        return wanted if parts.script or parts.territory else parts.language
    codes = (_SHORTEST[code] for code, name in _LANGUAGE_NAMES.items() if name.lower() == wanted.lower())
    return next(codes, "")


def language_name(code: str) -> str:
    """Return the English name of a language, e.g. Chinese (Simplified) for zho_Hans; the code if it is unknown.

    The script is part of the name if it is not the usual one, and always for Chinese.
    """
    parts = parse_code(code)
    if not parts.language:
        return code
    details = []
    if parts.script and (parts.language == "zh" or parts.script != _LIKELY_SCRIPT.get(parts.language, "Latn")):
        details.append(_NAMES_OF_SCRIPTS[parts.script])
    if parts.territory:
        details.append(_NAMES_OF_TERRITORIES[parts.territory])
    name = _LANGUAGE_NAMES[parts.language]
    return f"{name} ({', '.join(details)})" if details else name
