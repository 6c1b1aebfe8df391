"""hack/from-helm: an overlay from the values of a Helm chart, and a sentence on what it leaves to a person."""
