//! csp-profile tells what a network architecture costs before anyone trains it: parameters, multiply-accumulates,
//! FLOPs, the elements and bytes that move, the least time that a device needs, and what other programs would print for
//! the same network.
//!
//! This page is the architecture document. It describes the code as it is; whoever changes the one changes the other.
//!
//! # The pipeline
//!
//! ```text
//!   NAME.json      --set --input --batch --dtype
//!       |               |
//!       v               v
//!  +-------------------------------------------------------------+
//!  | frontend     the only place that knows an input format      |   source
//!  |   source::json   a tree in which every value has a span     |     texts and spans
//!  |   document       what the file says                         |   diagnostic
//!  |   expand         blocks, repeats and choices written out    |     all faults go to one
//!  |   resolve        names looked up                            |     sink and are shown
//!  |   elaborate      attributes evaluated, shapes inferred      |     together
//!  +-------------------------------------------------------------+
//!       |
//!       v
//!     Graph            typed nodes in topological order; each holds an Op
//!       |
//!       v
//!   analyze(&Graph)    asks every Op through the trait Operator     ops: one file an op
//!       |
//!       v
//!    Analysis          costs by node, stage, block, op; traffic; conventions; the largest layer
//!    memory::Analysis  peaks, arena, training         Gradient   paths, reuse, equations
//!       |
//!       v
//!       |   executor runs the Graph (feature exec)  ->  Measurement: figures held against what happened
//!       v
//!     Report  ------>  sections, each a sheet  ------>  table | csv | markdown
//!       |------------>  charts, each a list of shapes  ->  svg | png | the HTML page
//!       |------------------------------------------->  json (schema version 1)
//!       v
//!  evaluate(Budget, JSON of Report, baseline)  ----->  Verdict: in the Report, and for CI
//! ```
//!
//! Reading, analysing and reporting are plain functions. Their signatures fix their order; there is no pass manager.
//!
//! # Code map
//!
//! | module | what it holds |
//! |---|---|
//! | [`units`] | checked products and sums, [`units::Bytes`] and [`units::Elements`], the one formatter of numbers |
//! | [`seed`] | random values that a name and a seed determine |
//! | [`source`] | the texts of a run and [`source::Span`]s in them |
//! | [`source::json`] | a JSON tree in which every key and value keeps its span |
//! | [`diagnostic`] | [`diagnostic::Diagnostic`], its codes and labels, the [`diagnostic::Sink`], "did you mean" |
//! | [`tensor`] | element types, shapes and [`tensor::TensorType`] |
//! | [`ops`] | the trait [`ops::Operator`], the list of all ops, the enum [`ops::Op`]; one file an op below it |
//! | [`ops::attribute`] | attributes of ops: how they are declared, read, written and described |
//! | [`ops::channels`] | how channels pass through an op |
//! | [`ops::cost`] | [`ops::Cost`]: multiply-accumulates and elementary operations by kind |
//! | [`ops::peers`] | the quantities that other programs count of an op |
//! | `ops/{elementwise,norm,reduction,shape,window}.rs` | what families of ops have in common |
//! | `ops/execute.rs` | with `exec`: the trait `Execute`, what a pass gets and gives, why an op does not run |
//! | `ops/execute/formula.rs` | elementwise ops as a value and a slope |
//! | `ops/execute/scalar.rs`, `lanes.rs`, `single.rs` | numbers that compute: f32 and f64, counted ones, whole tensors of a device; functions of singles, many at once |
//! | `ops/execute/kernel/` | loops that ops share: elementwise, folds, windows, rows, products, samples |
//! | `ops/execute/kernel/convolution/` | convolutions forward and backward: tiles, depthwise rows, workspace, what a device does |
//! | `ops/execute/probe.rs` | ops without their padding, for the probe of ones |
//! | [`device`] | what a device can do at best: peaks, bandwidth, cache |
//! | [`device::latency`], [`device::work`] | what nodes were measured to take there, in which numbers |
//! | [`device::law`], [`device::process`] | the time of a kind of node as a function of its work |
//! | [`graph`] | [`graph::Graph`] over petgraph, nodes, outlets, origins, how PyTorch calls an op |
//! | `graph/stages.rs` | stages for networks whose file names none |
//! | [`published`] | figures that others printed, and whether ours agree to every printed digit |
//! | [`frontend`] | from a file to a graph: limits, formats, what the command line changes |
//! | `frontend/format.rs` | formats told by the first bytes; what other files are called |
//! | [`frontend::device`] | device files, and those that come with the program |
//! | `frontend/device/latency.rs` | what a device was measured to take, read |
//! | [`frontend::trace`] | profiles that onnxruntime writes |
//! | [`frontend::json`] | the architecture language, in the files that follow |
//! | `frontend/json/document.rs` | what a file says; `document/` reads it key by key |
//! | `frontend/json/expression.rs` | expressions: their terms; `expression/` has the parser and the exact evaluator |
//! | `frontend/json/reference.rs` | references to tensors, as written |
//! | `frontend/json/command_line.rs` | `--set name=value` |
//! | `frontend/json/parameters.rs` | the values of the file's parameters |
//! | `frontend/json/recursion.rs` | blocks that contain themselves |
//! | `frontend/json/expand.rs` | blocks, repeats and choices written out; names given |
//! | `frontend/json/resolve.rs` | references looked up |
//! | `frontend/json/elaborate.rs` | attributes evaluated in order of need, the graph built |
//! | `frontend/json/facts.rs` | the `published` list of a file |
//! | [`frontend::json::schema`] | the JSON Schema of architecture files, from the reader's own tables |
//! | `frontend/darknet/text.rs` | cfgs of darknet: sections and keys with their places |
//! | `frontend/darknet/kinds.rs` | every section: its names, its keys, its reader or why it is refused |
//! | `frontend/darknet/options.rs` | values as darknet reads them |
//! | `frontend/darknet/input.rs` | the input, from `[net]` and the command line |
//! | `frontend/darknet/network.rs` | the graph while it is read, and what sections may refer to |
//! | `frontend/darknet/{convolution,pooling,joining,heads,activation}.rs` | one family of sections each, as ops |
//! | `frontend/onnx.rs` | ONNX models, in the files that follow |
//! | `frontend/onnx/model.rs` | what a file says, as plain data |
//! | `frontend/onnx/wire.rs` | records of protocol buffers, over `Read + Seek` |
//! | `frontend/onnx/reader.rs`, `attribute.rs`, `tensor.rs` | messages and their fields, within limits |
//! | `frontend/onnx/payload.rs` | the elements of a tensor: passed over, or read where a shape may need them |
//! | `frontend/onnx/fault.rs` | what is wrong with the bytes, where, and what was being read |
//! | `frontend/onnx/location.rs` | where external data may lie |
//! | `frontend/onnx/import.rs` | node by node into a graph: names, scopes, what each node stands for |
//! | `frontend/onnx/scope.rs` | what names mean in one list of nodes |
//! | `frontend/onnx/order.rs` | which nodes are needed, and an order for them |
//! | `frontend/onnx/inputs.rs` | which inputs are inputs, and the sizes that files leave open |
//! | `frontend/onnx/call.rs` | one node as its op sees it: inputs, attributes, the graph to add to |
//! | `frontend/onnx/value.rs` | what a name stands for: a tensor, a stored one, or known numbers |
//! | `frontend/onnx/budget.rs` | what one import may cost, by the size of the file |
//! | `frontend/onnx/fold.rs` and below | exact evaluation of shapes and constants |
//! | `frontend/onnx/functions.rs` | local functions, If, Loop, Scan |
//! | `frontend/onnx/sources.rs`, `views.rs`, `range.rs` | where stored values lie, how they are seen, what is drawn for them |
//! | `frontend/onnx/values.rs` | with `exec`: those values read, from the file and beside it |
//! | `frontend/onnx/parameters.rs` | stored tensors: uses, roles, who stores what is shared |
//! | `frontend/onnx/names.rs` | names given once; blocks from paths |
//! | `frontend/onnx/unknown.rs` | nodes of unknown cost, and what is said of them |
//! | `frontend/onnx/ops.rs` and below | from ONNX ops to ours, one file a family |
//! | `frontend/onnx/writer.rs`, `random.rs` | for tests: files from data, and data from chance |
//! | [`frontend::json::write`] | any network as an architecture file; it is read again before it is given out |
//! | `frontend/json/write/tree.rs`, `leaf.rs` | layers in scopes; forms, which scopes that differ in numbers share |
//! | `frontend/json/write/listed.rs`, `labels.rs` | what a file stores beyond its ops; stages as labels |
//! | `frontend/json/write/scopes.rs`, `discover.rs` | scopes that a network has: by stage and name, or found |
//! | `frontend/json/write/discover/` | found scopes: units, repeats, windows that occur elsewhere |
//! | `frontend/json/write/define.rs`, `names.rs` | blocks and their arguments; names as the reader will give them |
//! | `frontend/json/write/emit.rs`, `text.rs` | lines made and laid out |
//! | `frontend/json/write/emit/` | names found for what groups look for further out; references spelled |
//! | [`analysis`] | [`analysis::analyze`]: all results about one graph |
//! | [`analysis::cost`] | parameters, MACs, FLOPs, activations and CIO of a node, and their sums |
//! | [`analysis::kernels`] | which ops run as one kernel, which tensors are views of others |
//! | [`analysis::traffic`] | bytes moved under four models |
//! | [`analysis::roofline`] | a lower bound of time on a device |
//! | [`analysis::prediction`] | a network's time on a device that was calibrated |
//! | `analysis/prediction/{work,traced,accuracy}.rs` | what a node is to a device; a library's profile taken apart into nodes; errors summed up |
//! | [`analysis::schedule`] | orders of the nodes: as written, and one that lowers the peak |
//! | [`analysis::memory`] | what is in memory when: liveness, placement of concats, arena, training and its views |
//! | [`analysis::provenance`] | for every channel, the weight layers that made it |
//! | [`analysis::gradient`] | the graph of weight layers: paths, reuse, dominators, update equations |
//! | [`analysis::conventions`] | how other programs count, as one data table |
//! | [`claims`] | the papers' claims about CSP as one data table, and what becomes of each for two networks |
//! | [`budget`] | limits on figures of the report, judged: [`budget::Budget`], [`budget::Verdict`] |
//! | [`budget::amount`] | exact numbers in the units that people write |
//! | [`budget::glob`], [`budget::lookup`] | patterns for names; figures in a serialised report by path, stage, layer, op |
//! | [`budget::document`], [`budget::schema`] | how a budget file is read, and its JSON Schema |
//! | [`budget::evaluate`], [`budget::messages`] | limits held against a report and a baseline; what is told of those that fail |
//! | [`budget::edit`] | budget files written, and tightened in place |
//! | [`measurement`] | what was measured beside what was predicted, as plain data without candle |
//! | `executor/run.rs`, `train.rs` | with `exec`: a network's forward pass over a schedule; a step of training |
//! | `executor/accumulate.rs` | gradients that several readers add to |
//! | `executor/seeded.rs` | values of inputs and stored tensors by a formula |
//! | `executor/allocator.rs` | an allocator that counts; unsafe code |
//! | `executor/cuda/` | what only a card has: events, and the driver's pool of memory; unsafe code |
//! | `executor/trouble.rs` | a card's errors in words |
//! | `executor/timing.rs` | clocks, medians and how far samples lie from them |
//! | `executor/check/` | each predicted figure against the measured one: stored elements, MACs, FLOPs, memory, gradients |
//! | `executor/measure.rs` | all of them, and times, for one network |
//! | `executor/clock.rs` | times each node of a pass |
//! | `executor/calibrate.rs` and below | networks drawn by chance, and what their nodes take |
//! | [`profile`] | [`profile::Profile`]: all results about one network, owned |
//! | [`report`] | [`report::Report`]: the serialisable view, schema version 1 |
//! | [`comparison`] | two networks aligned: totals, stages, layers |
//! | [`sweep`] | every combination of some parameters' values |
//! | [`report::figures`] | the figures that are set side by side: a name, a path, a getter |
//! | [`report::comparison`], [`report::sweep`] | views of those two |
//! | [`report::memory`], [`report::gradient`] | views of memory and gradient paths |
//! | [`report::measurement`] | what was measured, with rates and bounds |
//! | [`report::budget`] | verdicts as a table and JSON; below it Markdown, JUnit, GitHub's annotations, changes, contributors |
//! | [`report::sheet`] | a table as data, before any format |
//! | [`report::sections`] | the tables of `analyze`, one file a section |
//! | [`report::chart`] | charts: which there are, their titles and descriptions |
//! | `report/chart/{bars,layers,measured_memory,measured_time,memory,reuse,paths,roofline,sweep}.rs` | one chart each: its data, and how it is drawn |
//! | `report/chart/{axis,stages,steps,legend,ranking}.rs` | what charts have in common |
//! | `report/chart/{canvas,style}.rs` | shapes in logical pixels, the width of texts; sizes and colours |
//! | `report/chart/render.rs` | shapes drawn by plotters' backends; the only file that knows plotters' drawing |
//! | `report/chart/font/` | the font, its licence, how it was made |
//! | [`report::table`], [`report::csv`], [`report::markdown`] | one renderer each |
//! | [`report::page`] | the HTML page of one network or of several |
//! | `report/page/{shell,markup,table}.rs` | what every page has; what is HTML already; sheets as HTML tables |
//! | `report/page/{network,comparison,summary,equations}.rs` | what is in the pages |
//! | `report/page/data.rs` | what the page's script shows, as JSON |
//! | `report/page/{drawing,layering}.rs` | the network as boxes in boxes; rows, columns and lanes |
//! | `report/page/page.{css,js}` | the style sheet and the script, put into the page as they are |
//! | [`report::diagram`] | a network as boxes in boxes: DOT and Mermaid |
//! | [`report::diagnostics`] | diagnostics drawn with the user's line |
//! | [`cli`] | the command line: types only |
//! | [`commands`] | the subcommands, one file each; exit codes; the only code that writes to the terminal |
//! | `commands/{completions,man}.rs` | what shells and `man` need, from the types of [`cli`] |
//! | `commands/check/` | budgets found, one budget checked, where the results go; `--budget` of other commands; kept measurements |
//! | `commands/calibrate/` | devices calibrated: by running networks, from onnxruntime's profiles |
//! | `commands/machine.rs`, `machine/runs.rs`, `progress.rs` | the day; what runs networks, and under which load; a bar |
//! | `report/device.rs`, `report/prediction.rs` | a device file written; the key `prediction` |
//! | `commands/baseline.rs` | reports that were kept, and files at another revision, read by git without a network |
//! | `commands/report.rs` | the folder of a report: its name, what goes there, the command line as it was typed |
//! | `commands/files.rs` | files written beside their place and renamed |
//! | `commands/explain/*.md` | the manual pages that `explain` prints beside those of ops and conventions |
//! | `main.rs` | parse, dispatch, exit code |
//!
//! # Who may import whom
//!
//! | module | imports |
//! |---|---|
//! | `units`, `source`, `seed` | nothing of the crate |
//! | `tensor` | units |
//! | `device` | tensor |
//! | `diagnostic` | source |
//! | `published` | source, units |
//! | `ops` | tensor, units, diagnostic, source |
//! | `graph` | ops, tensor, units, source, diagnostic |
//! | `analysis` | graph, ops, tensor, device, units |
//! | `comparison` | analysis, graph, ops, report (figures), tensor |
//! | `sweep` | analysis, frontend, graph, ops, published, report, source, diagnostic, tensor, units |
//! | `claims` | analysis, graph, comparison (which stages are one), units |
//! | `budget` | analysis, diagnostic, source, tensor, units |
//! | `measurement` | graph, units |
//! | `executor` | analysis, device, diagnostic, frontend (networks that are drawn), graph, measurement, ops, seed, source, tensor, units |
//! | `profile` | frontend, analysis, claims, published, report, source |
//! | `frontend` | graph, ops, tensor, device, units, published, seed, source, diagnostic |
//! | `report` | analysis, budget, claims, comparison, measurement, sweep (as data to show), graph, ops (values of attributes), tensor, device, published, units, source, diagnostic |
//! | `cli` | tensor (names of element types) |
//! | `commands`, `main` | anything |
//!
//! `frontend` and `report` know nothing of each other, and `analysis` knows neither. `tests/structure.rs` reads this
//! table and holds the code to it, and to the first four invariants.
//!
//! # Invariants
//!
//! Most are things that are *not* there:
//!
//! 1. `frontend` alone knows an input format, `report` alone an output format. Only `commands` and [`frontend::load`]
//!    touch files and streams. Everything between is pure. The reader of ONNX takes any `Read + Seek` and opens nothing:
//!    neither weights in the file nor those beside it are read.
//! 2. No pass names an op. A pass asks [`ops::Operator`]; one that needs `match op` shows a fact missing from the
//!    trait. The exceptions: the table of conventions and [`ops::peers`], which describe programs that count by name;
//!    `input`, which is what a graph begins with; and the resize where stages are found.
//! 3. [`graph::Graph`], [`ops::Op`] and [`analysis::Analysis`] are not `Serialize`. [`report::Report`] is, and carries
//!    the version of its keys: they are added, never renamed.
//! 4. No order comes from a hash map, and nothing but `commands` sees the environment or a locale, nothing but it and
//!    `executor`, which measures, a clock: the same
//!    input gives the same bytes.
//! 5. No file can cause a panic, a hang or unbounded memory. Sizes, nesting, nodes and edges have limits; counts are
//!    `u64`, products are checked, and what does not fit is a diagnostic.
//! 6. No floating-point number in a count. Expressions are exact fractions; floats are ratios in reports.
//! 7. A graph that exists is a graph whose shapes fit: [`graph::Graph::add`] types every node or refuses it.
//! 8. No unsafe code, but with `exec` for the allocator that counts and one option of the allocator under it
//!    (`main.rs`), and with `cuda` for the reading of a card's pool of memory.
//! 9. No candle type outside of `executor`, the `execute` part of an op, the command `measure` and `calibrate` with `runs_on.rs` and `machine/runs.rs`, and
//!    `frontend/onnx/values.rs`, which lays stored values out; nothing of them is compiled without the feature `exec`.
//! 10. Of an HTML page only what has the type `Markup` is not escaped, and a policy forbids it every script but its own
//!     and every request. After a change of `page.js` or `page.css` a test tells the new hash.
//!
//! # The one lesson
//!
//! Cost counters have a path on which an op silently costs zero: a default method, a missing handler, an op without
//! parameters. So here a fact about an op has **no default**. The op that forgets its cost does not compile, and an op
//! that is not known is an error with a position. Where a foreign file has one it stays in the graph as
//! [`struct@ops::Unknown`]: its cost is [`ops::Cost::unknown`], it is named in every report, and every total that misses
//! it says "at least". What a convention does not count is 0 because that *is* the convention.
//!
//! # How to add an op
//!
//! 1. Write `src/ops/NAME.rs`: the `attributes!` struct with its doc comment (the page that `csp-profile explain NAME`
//!    prints: what it is, `## Formula`, `## Counted`, `## Source`), `impl Operator`, and tests with numbers worked by
//!    hand. An elementwise function implements `Elementwise` instead, which asks for less.
//!    For the feature `exec` also `Execute`: forward, backward from what the op says it keeps, and the workspace. An
//!    elementwise function implements `Formula` instead. `tests/vectors` needs cases of it.
//! 2. Add its word to the `ops!` list in `src/ops.rs`, in the order of names.
//!
//! The reader, the JSON Schema, `explain` and `ops` follow from these two. A test finds files that are not listed. If
//! another program counts the op, add it to that program's rules.
//!
//! An ONNX op that becomes one of ours: a function in its family's file below `src/frontend/onnx/ops`, and its name in
//! that file's `find`.
//!
//! # How to add a convention
//!
//! Add an entry to [`analysis::conventions::CONVENTIONS`]: name, unit, what it counts with the program's version and
//! files, and its rules: ops × ways of calling them × quantities and weights. If it counts something that no quantity
//! holds, add that to [`ops::peers::Quantity`]. Prove it with `published` facts that the program itself printed.
//!
//! # How to add an output format
//!
//! A new table is a file in `src/report/sections/` that makes a sheet. A new format for all tables: write `src/report/FORMAT.rs`
//! over [`report::sheet::Sheet`], whose cells carry exact numbers, and add a variant to [`cli::Format`]; the compiler then
//! names the place in `commands/analyze.rs`. Anything else serialises [`report::Report`], which is the one definition of
//! what is reported.
//!
//! # How to add a chart
//!
//! Write `src/report/chart/NAME.rs`: a struct with the data that it draws, owned; a function that makes it of networks (one,
//! or several on shared axes), with a description that has the figures; and `Drawing`, which fills a rectangle of the
//! canvas. Add the function to the list in `report/chart.rs` and the chart to `explain charts`.
//!
//! # How to add an input format
//!
//! Write `src/frontend/FORMAT.rs` that builds a [`graph::Graph`] with [`graph::Graph::add`] and gives every node a
//! [`graph::Origin`]; let [`frontend::load_bytes`] recognise it. No other module changes.

pub mod analysis;
pub mod budget;
pub mod claims;
pub mod cli;
pub mod commands;
pub mod comparison;
pub mod device;
pub mod diagnostic;
#[cfg(feature = "exec")]
pub mod executor;
pub mod frontend;
pub mod graph;
pub mod measurement;
pub mod ops;
pub mod profile;
pub mod published;
pub mod report;
pub mod seed;
pub mod source;
pub mod sweep;
pub mod tensor;
pub mod units;
