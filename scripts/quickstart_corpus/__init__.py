"""The grammar behind data/quickstart: one seed gives English, German and Chinese sentences that say the same.

`words` declares what a lexicon entry knows; `lexicon`, `verbs` and `adverbials` hold the tables; `phrases` and
`clauses` inflect and order the three sides together; `speaker` chooses words that make sense together; `actions`,
`descriptions`, `questions`, `reasons`, `compound` and `relatives` list the constructions, each with its weight;
`splits` draws train, valid and test.
"""
