"""The table of verbs.

The columns: English base form, third person, past, -ing form | German infinitive, ich, du, er, participle, auxiliary
(a separable particle ends with "-", a fixed word with "_") | Chinese plain form, past, verb of a 把 sentence |
government (acc, dat, a preposition, "-" for no object) | tags of objects | places | modes, as in `words.Verb`.
"""

from grammar.lexicon import PLACE
from grammar.words import Verb

_VERBS = """
read, reads, read, reading | lesen lese liest liest gelesen haben | 看 看了 - | acc | text | library garden living_room cafe park | nhpfm
write, writes, wrote, writing | schreiben schreibe schreibst schreibt geschrieben haben | 写 写了 - | acc | compose | library garden living_room cafe park office | nhpfm
buy, buys, bought, buying | kaufen kaufe kaufst kauft gekauft haben | 买 买了 - | acc | goods food -rice | market supermarket | nhpfm
sell, sells, sold, selling | verkaufen verkaufe verkaufst verkauft verkauft haben | 卖 卖了 - | acc | goods estate animal | market | nhpfm
eat, eats, ate, eating | essen esse isst isst gegessen haben | 吃 吃了 - | acc | food | kitchen garden restaurant park | nhpfm
eat, eats, ate, eating | fressen fresse frisst frisst gefressen haben | 吃 吃了 - | acc | herb | garden zoo farm | np
drink, drinks, drank, drinking | trinken trinke trinkst trinkt getrunken haben | 喝 喝了 - | acc | drink | kitchen garden cafe restaurant office | nhpfm
see, sees, saw, seeing | sehen sehe siehst sieht gesehen haben | 看见 看见了 - | acc | animal vehicle sight plant | park street village river | p
find, finds, found, finding | finden finde findest findet gefunden haben | 找到 找到了 - | acc | personal small | garden park street school office | p
lose, loses, lost, losing | verlieren verliere verlierst verliert verloren haben | 弄丢 弄丢了 弄丢 | acc | personal | park station airport zoo | p
look for, looks for, looked for, looking for | suchen suche suchst sucht gesucht haben | 找 找了 - | acc | personal lendable pet | garden school office | nm
watch, watches, watched, watching | sehen sehe siehst sieht gesehen haben | 看 看了 - | acc | watchable | cinema living_room | nhpfm
listen to, listens to, listened to, listening to | hören höre hörst hört gehört haben | 听 听了 - | acc | audible | park living_room theater | nhpfm
open, opens, opened, opening | öffnen öffne öffnest öffnet geöffnet haben | 开 打开了 打开 | acc | openable | | npfmd
close, closes, closed, closing | schließen schließe schließt schließt geschlossen haben | 关 关上了 关上 | acc | door window | | npfmd
turn on, turns on, turned on, turning on | ein-schalten schalte schaltest schaltet eingeschaltet haben | 打开 打开了 打开 | acc | switchable | | pfmd
turn off, turns off, turned off, turning off | aus-schalten schalte schaltest schaltet ausgeschaltet haben | 关掉 关掉了 关掉 | acc | switchable | | pfmd
clean, cleans, cleaned, cleaning | putzen putze putzt putzt geputzt haben | 擦 擦了 擦干净 | acc | cleanable | | nhpfmd
wash, washes, washed, washing | waschen wasche wäschst wäscht gewaschen haben | 洗 洗了 洗干净 | acc | washable | garden | nhpfm
repair, repairs, repaired, repairing | reparieren repariere reparierst repariert repariert haben | 修 修了 修好 | acc | vehicle device chair bed lamp umbrella door | garage | nhpfm
paint, paints, painted, painting | malen male malst malt gemalt haben | 画 画了 - | acc | paintable animal | park garden school | nhpfms
draw, draws, drew, drawing | zeichnen zeichne zeichnest zeichnet gezeichnet haben | 画 画了 - | acc | tree house map ship | school park | nhpfms
cook, cooks, cooked, cooking | kochen koche kochst kocht gekocht haben | 煮 煮了 - | acc | cookable | kitchen restaurant | nhpfm
bake, bakes, baked, baking | backen backe backst backt gebacken haben | 烤 烤了 - | acc | bakeable | kitchen bakery | nhpfms
cut, cuts, cut, cutting | schneiden schneide schneidest schneidet geschnitten haben | 切 切了 - | acc | bread cheese cake tomato meat carrot | kitchen | np
carry, carries, carried, carrying | tragen trage trägst trägt getragen haben | 搬 搬了 - | acc | movable chair table | | np
pack, packs, packed, packing | packen packe packst packt gepackt haben | 收拾 收拾了 收拾好 | acc | suitcase bag | bedroom hotel | npfmd
put on, puts on, put on, putting on | an-ziehen ziehe ziehst zieht angezogen haben | 穿 穿上了 穿上 | acc | cloth | | pfmd
feed, feeds, fed, feeding | füttern füttere fütterst füttert gefüttert haben | 喂 喂了 - | acc | farm pet | farm garden | nhpfm
photograph, photographs, photographed, photographing | fotografieren fotografiere fotografierst fotografiert fotografiert haben | 拍 拍了 - | acc | animal plant ship house | zoo garden river | nhpfm
borrow, borrows, borrowed, borrowing | aus-leihen leihe leihst leiht ausgeliehen haben | 借 借了 - | acc | book dictionary map bicycle camera magazine | | pfm
visit, visits, visited, visiting | besuchen besuche besuchst besucht besucht haben | 看望 看望了 - | acc | person | hospital village hotel | hpfm
meet, meets, met, meeting | treffen treffe triffst trifft getroffen haben | 遇见 遇见了 - | acc | person | park station airport cafe market library | p
call, calls, called, calling | an-rufen rufe rufst ruft angerufen haben | 给{}打电话 给{}打了电话 - | acc | person | | nhpfm
invite, invites, invited, inviting | ein-laden lade lädst lädt eingeladen haben | 邀请 邀请了 - | acc | person | | pfm
pick up, picks up, picked up, picking up | ab-holen hole holst holt abgeholt haben | 接 接了 - | acc | person | station airport | pfm
greet, greets, greeted, greeting | begrüßen begrüße begrüßt begrüßt begrüßt haben | 跟{}打招呼 跟{}打了招呼 - | acc | person | | hp
wait for, waits for, waited for, waiting for | warten warte wartest wartet gewartet haben | 等 等了 - | auf | person | station airport park hotel cafe | nm
help, helps, helped, helping | helfen helfe hilfst hilft geholfen haben | 帮助 帮助了 - | dat | person | garden kitchen farm | nhpfm
thank, thanks, thanked, thanking | danken danke dankst dankt gedankt haben | 感谢 感谢了 - | dat | person | | pm
congratulate, congratulates, congratulated, congratulating | gratulieren gratuliere gratulierst gratuliert gratuliert haben | 祝贺 祝贺了 - | dat | person | | pfm
sleep, sleeps, slept, sleeping | schlafen schlafe schläfst schläft geschlafen haben | 睡觉 睡+觉 - | - | | bedroom living_room hotel garden | nhpm
work, works, worked, working | arbeiten arbeite arbeitest arbeitet gearbeitet haben | 工作 工作+ - | - | | office garden hospital farm school market restaurant | nhpfm
study, studies, studied, studying | lernen lerne lernst lernt gelernt haben | 学习 学习+ - | - | | library school university | nhpfm
wait, waits, waited, waiting | warten warte wartest wartet gewartet haben | 等 等+ - | - | | station airport hotel street | npm
laugh, laughs, laughed, laughing | lachen lache lachst lacht gelacht haben | 笑 笑+ - | - | | cinema school theater | nhp
cry, cries, cried, crying | weinen weine weinst weint geweint haben | 哭 哭+ - | - | | bedroom school | np
swim, swims, swam, swimming | schwimmen schwimme schwimmst schwimmt geschwommen sein | 游泳 游+泳 - | - | | lake river | nhpfmst
dance, dances, danced, dancing | tanzen tanze tanzt tanzt getanzt haben | 跳舞 跳+舞 - | - | | garden theater restaurant street | nhpfmst
sing, sings, sang, singing | singen singe singst singt gesungen haben | 唱歌 唱+歌 - | - | | school theater garden park | nhpfmst
run, runs, ran, running | laufen laufe läufst läuft gelaufen sein | 跑步 跑+步 - | - | | park forest beach | nhpfmt
go for a walk, goes for a walk, went for a walk, going for a walk | spazieren_gehen gehe gehst geht gegangen sein | 散步 散+步 - | - | | park forest beach village | hpfmt
cook, cooks, cooked, cooking | kochen koche kochst kocht gekocht haben | 做饭 做+饭 - | - | | kitchen restaurant | nhpfmst
play, plays, played, playing | spielen spiele spielst spielt gespielt haben | 玩 玩+ - | - | | park garden school playground street beach | nhpfm
play football, plays football, played football, playing football | Fußball_spielen spiele spielst spielt gespielt haben | 踢足球 踢+足球 - | - | | park school street playground | nhpfmst
play tennis, plays tennis, played tennis, playing tennis | Tennis_spielen spiele spielst spielt gespielt haben | 打网球 打+网球 - | - | | park school hotel | nhpfmst
play chess, plays chess, played chess, playing chess | Schach_spielen spiele spielst spielt gespielt haben | 下棋 下+棋 - | - | | park cafe living_room school | nhpfmst
play cards, plays cards, played cards, playing cards | Karten_spielen spiele spielst spielt gespielt haben | 打牌 打+牌 - | - | | kitchen cafe hotel | nhpfmst
play the piano, plays the piano, played the piano, playing the piano | Klavier_spielen spiele spielst spielt gespielt haben | 弹钢琴 弹+钢琴 - | - | | theater living_room school | nhpfmst
play the guitar, plays the guitar, played the guitar, playing the guitar | Gitarre_spielen spiele spielst spielt gespielt haben | 弹吉他 弹+吉他 - | - | | garden park cafe beach | nhpfmst
play the violin, plays the violin, played the violin, playing the violin | Geige_spielen spiele spielst spielt gespielt haben | 拉小提琴 拉+小提琴 - | - | | theater living_room school | nhpfmst
listen to music, listens to music, listened to music, listening to music | Musik_hören höre hörst hört gehört haben | 听音乐 听+音乐 - | - | | bedroom garden cafe garage | nhpfmt
watch television, watches television, watched television, watching television | fern-sehen sehe siehst sieht ferngesehen haben | 看电视 看+电视 - | - | | living_room bedroom hotel | nhpfmt
give, gives, gave, giving | geben gebe gibst gibt gegeben haben | 给{} 给了{} - | dat+acc | gift apple cookie | | pfm
show, shows, showed, showing | zeigen zeige zeigst zeigt gezeigt haben | 给{}看 给{}看了 - | dat+acc | showable | | npfm
send, sends, sent, sending | schicken schicke schickst schickt geschickt haben | 给{}寄 给{}寄了 - | dat+acc | mail | | hpfm
lend, lends, lent, lending | leihen leihe leihst leiht geliehen haben | 借给{} 借给了{} - | dat+acc | lendable | | pfm
tell, tells, told, telling | erzählen erzähle erzählst erzählt erzählt haben | 给{}讲 给{}讲了 - | dat+acc | tale | | nhpfm
bring, brings, brought, bringing | bringen bringe bringst bringt gebracht haben | 给{}带来 给{}带来了 - | dat+acc | gift cake soup | | pf
like, likes, liked, liking | mögen mag magst mag gemocht haben | 喜欢 喜欢了 - | acc | food drink animal plant | | x
need, needs, needed, needing | brauchen brauche brauchst braucht gebraucht haben | 需要 需要了 - | acc | artifact | | x
have, has, had, having | haben habe hast hat gehabt haben | 有 有了 - | acc | pet vehicle device cloth | | x
know, knows, knew, knowing | kennen kenne kennst kennt gekannt haben | 认识 认识了 - | acc | person | | x
love, loves, loved, loving | lieben liebe liebst liebt geliebt haben | 爱 爱了 - | acc | person | | x
trust, trusts, trusted, trusting | vertrauen vertraue vertraust vertraut vertraut haben | 信任 信任了 - | dat | person | | x
wear, wears, wore, wearing | tragen trage trägst trägt getragen haben | 穿着 穿着 - | acc | cloth | | x
wear, wears, wore, wearing | tragen trage trägst trägt getragen haben | 戴着 戴着 - | acc | head | | x
live, lives, lived, living | wohnen wohne wohnst wohnt gewohnt haben | 住 住+ - | - | | | x
go, goes, went, going | gehen gehe gehst geht gegangen sein | 去{} 去了{} - | goal | | | x
go, goes, went, going | fahren fahre fährst fährt gefahren sein | 去{} 去了{} - | goal | | | x
fly, flies, flew, flying | fliegen fliege fliegst fliegt geflogen sein | 坐飞机去{} 坐飞机去了{} - | goal | | | x
travel, travels, traveled, traveling | reisen reise reist reist gereist sein | 去{}旅行 去{}旅行了 - | goal | | | x
put, puts, put, putting | legen lege legst legt gelegt haben | 放 放了 放 | acc | | | x
put, puts, put, putting | stellen stelle stellst stellt gestellt haben | 放 放了 放 | acc | | | x
"""  # noqa: E501


def _verb(line: str) -> Verb:
    english, german, chinese, government, objects, places, modes = (cell.strip() for cell in line.split("|", 6))
    base, third, past, ing = english.split(", ")
    fixed, _, infinitive = german.split()[0].rpartition("_")
    particle, _, infinitive = infinitive.rpartition("-")
    ich, du, er, participle, auxiliary = german.split()[1:]
    zh, zh_past, zh_result = chinese.split()
    for key in places.split():
        PLACE[key]
    return Verb(
        base, third, past, ing, infinitive, ich, du, er, participle, auxiliary, particle, fixed,
        zh, zh_past, "" if zh_result == "-" else zh_result, "" if government == "-" else government,
        tuple(objects.split()), modes, tuple(places.split()),
    )  # fmt: skip


VERBS: tuple[Verb, ...] = tuple(_verb(line) for line in _VERBS.strip().split("\n"))


def verb(en: str, infinitive: str = "") -> Verb:
    """Return the verb with this English base form; the German infinitive decides if several verbs have it."""
    return next(entry for entry in VERBS if entry.en == en and infinitive in ("", entry.de))


FEED_ON = verb("eat", "fressen")
WEAR_ON_BODY, WEAR_ACCESSORY = (entry for entry in VERBS if entry.en == "wear")
TRANSITIVE: tuple[Verb, ...] = tuple(
    entry
    for entry in VERBS
    if entry.government in ("acc", "dat", "auf") and "x" not in entry.modes and entry != FEED_ON
)
INTRANSITIVE: tuple[Verb, ...] = tuple(entry for entry in VERBS if not entry.government and "x" not in entry.modes)
DITRANSITIVE: tuple[Verb, ...] = tuple(entry for entry in VERBS if entry.government == "dat+acc")
