"""The style sheet of the report page: light and dark, on screens of any width, and on paper."""

STYLE = """
:root { color-scheme: light dark; --back: #fff; --panel: #f5f6f8; --ink: #1d2126; --muted: #5b6470; --line: #d5d9df;
  --first: #0068a8; --second: #c4500a; --third: #00795a; --fourth: #9c3f86; --fifth: #6a6a00;
  --accent: 0 104 168; --mark: #ffe28a; --warn: #a33c00; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --panel: #1e2329; --ink: #e4e7eb; --muted: #a3acb8;
  --line: #3b434d; --first: #62b4f0; --second: #f39a5f; --third: #4fc9a0; --fourth: #e08fcf; --fifth: #cfcf55;
  --accent: 98 180 240; --mark: #6b5200;
  --warn: #f5a468; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', 'Noto Sans CJK SC', 'PingFang SC',
  'Microsoft YaHei', 'WenQuanYi Micro Hei', sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem 1rem 4rem;
  color: var(--ink); background: var(--back); overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .8rem 0 .2rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
a { color: var(--first); } p { margin: .5rem 0; max-width: 46rem; } .muted { color: var(--muted); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; margin: .8rem 0; list-style: none; }
.state { border-left: .3rem solid var(--first); background: var(--panel); padding: .5rem .8rem; max-width: none; }
table { border-collapse: collapse; margin: .5rem 0; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding-bottom: .3rem; }
td, th { padding: .22rem .9rem .22rem 0; text-align: left; vertical-align: top; }
.facts { width: 100%; align-self: start; } .facts th { color: var(--muted); font-weight: 400; width: 15rem; }
.facts td { overflow-wrap: anywhere; }
.grid { min-width: min(100%, 30rem); } .grid th, .grid td { border-bottom: 1px solid var(--line); }
.grid th { font-weight: 500; }
.grid thead th { color: var(--muted); } td.n, th.n { text-align: right; }
.scroll { overflow-x: auto; max-width: 100%; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 0 1.5rem; }
figure { margin: .6rem 0 1.4rem; min-width: 0; } figcaption { color: var(--muted); font-size: .88rem; }
.figure-title { font-weight: 600; margin: 0 0 .2rem; }
svg.chart { display: block; width: 100%; height: auto; max-width: 34rem; }
svg.network { display: block; height: auto; width: 100%; min-width: 48rem; max-width: 62rem; }
svg text { font: 13px system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif; fill: var(--muted); }
svg text.strong { font-weight: 600; fill: var(--ink); } svg text.ink { fill: var(--ink); }
svg .axis { stroke: var(--line); fill: none; } svg .grid-line { stroke: var(--line); stroke-width: .6; }
svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .first { stroke: var(--first); } svg .second { stroke: var(--second); } svg .third { stroke: var(--third); }
svg .fourth { stroke: var(--fourth); } svg .fifth { stroke: var(--fifth); }
svg .fill-first { fill: var(--first); } svg .fill-second { fill: var(--second); }
svg .fill-third { fill: var(--third); }
svg .fill-fourth { fill: var(--fourth); } svg .fill-fifth { fill: var(--fifth); }
svg .box { fill: var(--panel); stroke: var(--line); } svg .box.recurrent { stroke: var(--first); }
svg .box.attention { stroke: var(--second); } svg .box.dense { stroke: var(--third); }
svg .arrow { fill: none; stroke: var(--muted); stroke-width: 1.3; } svg .arrow.context { stroke: var(--second); }
svg .arrow.next { stroke-dasharray: 5 4; } svg .head { fill: var(--muted); } svg .head.context { fill: var(--second); }
.sentence { border-left: .25rem solid var(--line); padding-left: .8rem; margin: 1rem 0; }
.sentence-title { color: var(--muted); font-size: .88rem; margin: 0; }
.sentence dl { display: grid; grid-template-columns: minmax(6rem, max-content) minmax(0, 1fr); gap: .1rem .8rem;
  margin: 0; } .sentence dt { color: var(--muted); font-size: .88rem; } .sentence dd { margin: 0; }
mark { background: var(--mark); color: inherit; border-radius: .15rem; padding: 0 .1rem; }
table.map { font-size: .8rem; } table.map th { font-weight: 400; padding: 0 .35rem; white-space: nowrap; }
table.map thead th { vertical-align: bottom; } table.map thead span { writing-mode: vertical-rl;
  transform: rotate(180deg); max-height: 9rem; } table.map tbody th { text-align: right; }
table.map td { width: 1.5rem; min-width: 1.1rem; height: 1.5rem; padding: 0; border: 1px solid var(--line);
  background: rgb(var(--accent) / var(--a, 0)); }
table.map thead td { border: 0; }
ul.findings { padding-left: 1.2rem; max-width: 52rem; } ul.findings li { margin: .5rem 0; }
ul.findings b { color: var(--warn); }
pre { background: var(--panel); padding: .8rem; overflow: auto; font-size: .82rem; } code { font-size: .85em; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--first); }
@media (max-width: 40rem) { body { font-size: 15px; padding: .5rem .75rem 3rem; } .facts th { width: 42%; }
  .sentence dl { grid-template-columns: minmax(0, 1fr); } .sentence dd { margin-bottom: .3rem; }
  svg.network { min-width: 44rem; } svg.chart text { font-size: 16px; } }
@media print { :root { color-scheme: light; } nav, details:not([open]) { display: none; } }
"""
