"""The networks of `nmt.models` as ONNX graphs, built from the weights of a checkpoint without torch.

A module has the parts of the module in `nmt.models` with the same name. Read them in this order:

1. `network`: the two graphs, their inputs and outputs.
2. `graph` and `weights`: how a graph is built, and where its weights come from.
3. `products`: linear maps in fp32 and int8.
4. `cells`, `encoder`, `attention`, `memory`, `decoders`, `transformer` and `output`: the papers' equations.

The other modules use the graphs: `graph_files` writes and reads them, `graph_check` and `graph_interface` check them,
`checkpoint_graphs` keeps them in a run, `export` writes a folder that translates, `onnx_engine` runs them.
"""
