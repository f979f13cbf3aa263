"""Pipelines that are declared: a configuration of modules and experiments is checked, planned, run and recorded.

==========  ==========================================================================================
source      a configuration as a tree, each part with its place in the file
callables   what `method` names: found, and called as its signature says
parameters  annotations of parameters that are files
grammar     a tree as a pipeline: settings, modules, experiments, or all that is wrong with it
plan        the steps of a pipeline, in the order in which they run
secrets     a configuration as it may be written down
provenance  what a pipeline goes by, recorded, and compared when its run is resumed
branches    the data of branches: kept while it is needed
context     what a callable that has a parameter named `step` is handed
executor    the plan, run step by step through a Status; resumed where it was left
modules     the built-in modules
==========  ==========================================================================================
"""
