"""What a commit touches: file lists and contents in, DAG files and one sentence out."""
